"""What the service's tests have other processes do. ``python service_worker.py JOB ARGUMENTS...``

Each prints "ready", waits for a line on stdin, does its job and prints what came of it. What a job alone needs
is imported there: many start at once.
"""

import sys
import time

from stopgap.engine.service.storage import (
    BehaviorVersions,
    BusyError,
    Conversations,
    Database,
    FinishedError,
    History,
    Leases,
    NewBehavior,
    NewConversation,
    NewInteraction,
)


def ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def claim(url: str, organization: str, conversation: str) -> None:
    """Try once to claim a conversation, and keep it."""
    leases = Leases(Database.open(url))
    ready()
    try:
        leases.claim(organization, conversation, user=None)
    except BusyError:
        print("busy")
    else:
        print("claimed")


def create(url: str, organization: str, user: str, service: str) -> None:
    """Try once to create a conversation, if the user has no unfinished one."""
    database = Database.open(url)
    leases, conversations, history = Leases(database), Conversations(database), History(database)
    ready()
    try:
        lease = leases.reserve(organization, user)
    except BusyError:
        print("busy")
        return
    if history.unfinished(organization, user, service=service):
        leases.release(lease)
        print("unfinished")
        return
    conversations.create(lease, NewConversation(service), NewInteraction(time.time(), "hello"))
    print("created")


def complete(url: str, organization: str, conversation: str, times: str) -> None:
    """Complete so many interactions, waiting for others where they are at it; print each one's id once it is stored."""
    database = Database.open(url)
    leases, conversations = Leases(database), Conversations(database)
    ready()
    done = 0
    while done < int(times):
        try:
            lease = leases.claim(organization, conversation, user=None)
        except BusyError:
            time.sleep(0.002)
            continue
        text = f"message {done} " * 200
        stored = conversations.complete(lease, NewInteraction(time.time(), text, text, ({"n": done},), {"n": done}))
        print(stored.id, flush=True)
        done += 1


def finish(url: str, organization: str, conversation: str) -> None:
    """Try once to finish a conversation."""
    conversations = Conversations(Database.open(url))
    ready()
    try:
        conversations.finish(organization, conversation, user=None)
    except FinishedError:
        print("finished already")
    else:
        print("finished")


def behave(url: str, organization: str, set: str, creator: str, times: str) -> None:
    """Add so many versions to a behavior set; print their numbers."""
    behaviors = BehaviorVersions(Database.open(url))
    ready()
    for number in range(int(times)):
        print(behaviors.add(organization, set, NewBehavior((f"trigger {number}",)), creator=creator).number)


def migrate(url: str) -> None:
    """Bring the database to this version."""
    ready()
    before, after = Database.migrate(url)
    print(before, after)


def learn(url: str, agent: str, waits: str, exchanges: str) -> None:
    """Learn so many waits of an agent, saving and refreshing so many times meanwhile."""
    from stopgap.engine.prediction import Context, LatencyPredictor, Lesson
    from stopgap.engine.service._waits import SharedWaits
    from stopgap.fillers import Config

    predictor = LatencyPredictor(Config())
    shared = SharedWaits(predictor, Database.open(url))
    ready()
    for number in range(int(waits)):
        predictor.learn([Lesson("speech_ended", Context(agent), 0.5 + 0.001 * number, number % 9 > 0)])
        if number % max(1, int(waits) // int(exchanges)) == 0:
            shared.save()
            shared.refresh()
    shared.close()
    print("learned", predictor.learned)


def hits(url: str, times: str) -> None:
    """Send so many requests of one user; print how many were allowed."""
    from stopgap.engine.service._rates import RateLimits

    limits = RateLimits(url)
    ready()
    print(sum(limits.hit("interact", "org", "user").allowed for _ in range(int(times))))


JOBS = (claim, create, complete, finish, behave, migrate, learn, hits)

if __name__ == "__main__":
    {job.__name__: job for job in JOBS}[sys.argv[1]](*sys.argv[2:])
