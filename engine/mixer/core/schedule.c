/* Which sound plays from which frame to which: `Schedule` of _schedule.py, step by step. */
#include <stddef.h>

#include "state.h"

/* Events that may be noted without a further start or command: the ends of all voices, the starts and ends of all
 * replies, and a whole sheet that is skipped as overdue. With that much room the ring never overflows. */
enum { SG_RESERVE = SG_MAX_VOICES + 2 * SG_MAX_REPLIES + SG_MAX_CUES + 8 };

typedef struct {
    int64_t end, fade; /* *end* counts from the clip's start */
    bool cut;
} sg_ending;

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void note(sg_state *s, int32_t what, int64_t requested, int64_t number, bool cut) {
    if (s->notes.slots != NULL)
        s->notes.slots[s->notes.next % SG_EVENTS] =
            (sg_event){.frame = s->position, .requested = requested, .number = number, .what = what, .cut = cut};
    s->notes.next++;
}

bool sg_room_for_start(const sg_state *s) { return s->notes.limit - s->notes.next >= SG_RESERVE; }

/* The armed sheet ------------------------------------------------------------------------------------------------- */

static bool dropped(const sg_state *s, int64_t i) { return s->dropped[i / 64] >> (i % 64) & 1; }

static void skip_dropped(sg_state *s) {
    while (s->next < s->count && dropped(s, s->next)) s->next++;
}

static bool pending(const sg_state *s) { return s->next < s->count; }

static int64_t next_start(const sg_state *s) { return s->cues[s->next].start + s->shift; }

static void set_sheet(sg_state *s, const sg_cue *cues, int64_t count) {
    s->cues = cues;
    s->next = 0;
    s->count = count;
    s->shift = 0;
    for (int i = 0; i < SG_MAX_CUES / 64; i++) s->dropped[i] = 0;
}

/* The rule of _handoff.py ----------------------------------------------------------------------------------------- */

static sg_ending ending(int64_t played, const sg_cue *cue) {
    int64_t earliest = most(played, cue->min_play);
    for (int64_t i = 0; i < cue->mark_count; i++) {
        int64_t mark = cue->marks[i];
        bool whole = !cue->loops && mark == cue->frames;
        if (earliest + (whole ? 0 : cue->declick) <= mark && mark <= played + cue->max_finish)
            return (sg_ending){mark, whole ? 0 : cue->declick, false};
    }
    if (!cue->loops && cue->frames <= earliest + cue->fade) return (sg_ending){cue->frames, 0, false};
    return (sg_ending){earliest + cue->fade, cue->fade, !cue->loops};
}

static void stop_voice(sg_voice *v, sg_ending how, int64_t frame) {
    if (v->end != SG_NEVER && v->start + how.end >= v->end) return;
    if (v->end != SG_NEVER && v->fade) {
        double left = (double)(v->end - frame) / (double)v->fade;
        v->level *= left < 1.0 ? left : 1.0;
    }
    v->end = v->start + how.end;
    v->fade = how.fade;
    v->cut = how.cut;
}

static void fade_voices(sg_state *s) {
    for (int64_t i = 0; i < s->voice_count; i++) {
        sg_voice *v = &s->voices[i];
        stop_voice(v, (sg_ending){s->position - v->start + s->stop_fade, s->stop_fade, !v->cue->loops}, s->position);
    }
}

/* The spoken voices decide; beds go on beneath them and are gone when the last word is, or, where the reply overlaps
 * it, when the reply starts. */
static int64_t yield_all(sg_state *s) {
    int64_t last_word = s->position, start = most(s->position, s->quiet_until);
    for (int64_t i = 0; i < s->voice_count; i++) {
        sg_voice *v = &s->voices[i];
        if (!v->cue->spoken) continue;
        stop_voice(v, ending(s->position - v->start, v->cue), s->position);
        last_word = most(last_word, v->end + least(v->cue->gap, 0));
    }
    for (int64_t i = 0; i < s->voice_count; i++) {
        sg_voice *v = &s->voices[i];
        if (v->cue->spoken) continue;
        sg_ending how = ending(s->position - v->start, v->cue);
        how.end = most(how.end, last_word - v->start);
        stop_voice(v, how, s->position);
    }
    for (int64_t i = 0; i < s->voice_count; i++)
        if (s->voices[i].end != SG_NEVER) start = most(start, s->voices[i].end + s->voices[i].cue->gap);
    return start;
}

static void try_handoff(sg_state *s) {
    if (s->held || !s->reply_count || s->reply_playing || s->reply_start != SG_NEVER) return;
    if (s->replies[0].queued < s->preroll && s->replies[0].open) return;
    s->reply_start = yield_all(s);
}

/* What it is told, at its present position ------------------------------------------------------------------------ */

bool sg_do_arm(sg_state *s, const sg_cue *cues, int64_t count, int64_t starts) {
    if (starts >= 0 && starts != s->starts) {
        note(s, SG_OUTDATED, s->position, -1, false);
        return false;
    }
    bool blocked = s->reply_count && s->replies[s->reply_count - 1].open;
    set_sheet(s, cues, blocked ? 0 : count);
    return true;
}

void sg_do_disarm(sg_state *s) { set_sheet(s, NULL, 0); }

void sg_do_release(sg_state *s) {
    sg_do_disarm(s);
    for (int64_t i = 0; i < s->voice_count; i++) {
        sg_voice *v = &s->voices[i];
        if (!v->cue->spoken) continue;
        int64_t earliest = most(s->position - v->start, v->cue->min_play);
        for (int64_t k = 0; k < v->cue->mark_count; k++) {
            int64_t mark = v->cue->marks[k];
            if (!v->cue->loops && mark == v->cue->frames) break;
            if (mark < earliest + v->cue->declick) continue;
            stop_voice(v, (sg_ending){mark, v->cue->declick, false}, s->position);
            break;
        }
    }
}

void sg_do_retire(sg_state *s) {
    sg_do_release(s);
    for (int64_t i = 0; i < s->voice_count; i++) {
        sg_voice *v = &s->voices[i];
        sg_ending how = {s->position - v->start + v->cue->fade, v->cue->fade, !v->cue->loops};
        if (!v->cue->spoken) stop_voice(v, how, s->position);
    }
}

void sg_do_write(sg_state *s, int64_t frames, int64_t reply) {
    s->starved = false;
    sg_do_disarm(s);
    if (!s->reply_count || s->replies[s->reply_count - 1].number != reply) {
        if (s->reply_count && s->reply_count < SG_MAX_REPLIES) s->replies[s->reply_count - 1].open = false;
        if (s->reply_count < SG_MAX_REPLIES)
            s->replies[s->reply_count++] = (sg_reply){.number = reply, .available = s->position};
    }
    sg_reply *last = &s->replies[s->reply_count - 1];
    last->queued += frames;
    last->open = true;
    s->reply_written += frames;
    try_handoff(s);
}

void sg_do_end_reply(sg_state *s) {
    if (s->reply_count) s->replies[s->reply_count - 1].open = false;
    try_handoff(s);
}

void sg_do_hold(sg_state *s) {
    if (s->held) return;
    s->held = true;
    s->held_since = s->position;
    s->reply_start = SG_NEVER;
    fade_voices(s);
}

void sg_do_resume(sg_state *s) {
    if (!s->held) return;
    s->held = false;
    s->shift += s->position - s->held_since;
    if (s->reply_playing)
        s->reply_resumed = s->position;
    else if (s->reply_count)
        s->replies[0].available = s->position;
    try_handoff(s);
}

void sg_do_flush(sg_state *s) {
    s->held = false;
    sg_do_disarm(s);
    fade_voices(s);
    s->reply_count = 0;
    s->reply_playing = false;
    s->reply_start = SG_NEVER;
    s->reply_resumed = SG_LONG_AGO;
    s->reply_read = s->reply_written;
}

void sg_do_attend(sg_state *s, int64_t horizon) {
    s->horizon = horizon;
    if (horizon > s->position) s->unattended = false;
}

/* Moving on --------------------------------------------------------------------------------------------------------- */

int64_t sg_reply_queued(const sg_state *s) { return s->reply_written - s->reply_read; }

int64_t sg_next_change(const sg_state *s) {
    int64_t change = SG_NEVER;
    for (int64_t i = 0; i < s->voice_count; i++) change = least(change, s->voices[i].end);
    if (s->held) return change;
    if (pending(s) && !s->reply_count && sg_room_for_start(s)) change = least(change, next_start(s));
    if (!s->unattended && (pending(s) || s->voice_count)) change = least(change, s->horizon);
    if (s->reply_start != SG_NEVER) change = least(change, s->reply_start);
    if (s->reply_playing && s->replies[0].queued) change = least(change, s->position + s->replies[0].queued);
    return change;
}

static void end_voices(sg_state *s) {
    int64_t kept = 0;
    for (int64_t i = 0; i < s->voice_count; i++) {
        sg_voice v = s->voices[i];
        if (v.end > s->position) {
            s->voices[kept++] = v;
            continue;
        }
        s->quiet_until = most(s->quiet_until, s->position + v.cue->gap);
        note(s, SG_ENDED, s->position, v.cue->id, v.cut);
    }
    s->voice_count = kept;
}

static void drop_overdue(sg_state *s) {
    for (int64_t i = s->next; i < s->count && s->cues[i].start + s->shift < s->position; i++) {
        if (!s->cues[i].spoken || dropped(s, i)) continue;
        s->dropped[i / 64] |= (uint64_t)1 << (i % 64);
        note(s, SG_SKIPPED, s->cues[i].start + s->shift, s->cues[i].id, false);
    }
    skip_dropped(s);
}

static void end_replies(sg_state *s) {
    while (s->reply_playing && !s->replies[0].queued && !s->replies[0].open) {
        note(s, SG_REPLY_ENDED, s->replies[0].available, s->replies[0].number, false);
        s->reply_count--;
        for (int64_t i = 0; i < s->reply_count; i++) s->replies[i] = s->replies[i + 1];
        s->reply_playing = s->reply_count > 0;
        s->reply_resumed = SG_LONG_AGO;
        if (s->reply_playing) {
            s->replies[0].available = s->position; /* what held it back was no filler */
            note(s, SG_REPLY_STARTED, s->position, s->replies[0].number, false);
        } else {
            drop_overdue(s);
        }
    }
}

static void start_next(sg_state *s) {
    const sg_cue *cue = &s->cues[s->next];
    int64_t start = next_start(s), end = SG_NEVER;
    s->next++;
    skip_dropped(s);
    if (!cue->loops)
        end = s->position + cue->frames;
    else if (cue->end >= 0)
        end = cue->end + s->shift;
    bool belated = start < s->position && !cue->allow_belated;
    if (belated || s->voice_count >= SG_MAX_VOICES || end <= s->position || cue->frames < 1) {
        note(s, SG_SKIPPED, start, cue->id, false);
        return;
    }
    s->voices[s->voice_count++] = (sg_voice){
        .cue = cue, .start = s->position, .end = end, .fade = cue->loops ? cue->fade : 0, .level = 1.0, .cut = false};
    s->starts++;
    note(s, SG_STARTED, start, cue->id, false);
}

void sg_settle(sg_state *s) {
    end_voices(s);
    if (s->held) return;
    if (!s->unattended && s->horizon <= s->position && (pending(s) || s->voice_count)) {
        s->unattended = true;
        sg_do_retire(s);
        note(s, SG_UNATTENDED, s->horizon, -1, false);
        end_voices(s);
    }
    if (s->reply_start <= s->position) {
        s->reply_start = SG_NEVER;
        s->reply_playing = true;
        note(s, SG_REPLY_STARTED, s->replies[0].available, s->replies[0].number, false);
    }
    end_replies(s);
    if (s->reply_playing && !s->replies[0].queued && !s->starved) {
        s->starved = true;
        note(s, SG_REPLY_STARVED, s->replies[0].available, s->replies[0].number, false);
    }
    while (pending(s) && !s->reply_count && next_start(s) <= s->position && sg_room_for_start(s)) start_next(s);
}

void sg_advance(sg_state *s, int64_t frame) {
    for (;;) {
        int64_t stop = most(s->position, least(frame, sg_next_change(s)));
        if (s->reply_playing && !s->held) {
            int64_t heard = least(s->replies[0].queued, stop - s->position);
            s->replies[0].queued -= heard;
            s->reply_read += heard;
        }
        s->position = stop;
        sg_settle(s);
        if (stop >= frame) return;
    }
}
