/* The rings, and the calls of both sides. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define LOAD(x) atomic_load_explicit(&(x), memory_order_acquire)
#define PEEK(x) atomic_load_explicit(&(x), memory_order_relaxed) /* of what only this side writes */
#define STORE(x, value) atomic_store_explicit(&(x), (value), memory_order_release)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void free_tap(sg_tap *tap) {
    if (tap != NULL) free(tap->blocks);
    free(tap);
}

sg_mixer *sg_new(int64_t preroll, int64_t stop_fade, int64_t reply_room) {
    if (stop_fade < 1) stop_fade = 1;
    sg_mixer *m = calloc(1, sizeof(sg_mixer));
    if (m == NULL) return NULL;
    m->tail = calloc((size_t)stop_fade, sizeof(float));
    m->reply = malloc((size_t)reply_room * sizeof(float)); /* not cleared: costs no memory until it is written */
    if (m->tail == NULL || m->reply == NULL) {
        sg_free(m);
        return NULL;
    }
    m->reply_room = reply_room;
    m->state = (sg_state){.reply_start = SG_NEVER,
                          .reply_resumed = SG_LONG_AGO,
                          .horizon = SG_NEVER,
                          .preroll = preroll > 1 ? preroll : 1,
                          .stop_fade = stop_fade};
    atomic_init(&m->horizon, SG_NEVER);
    atomic_init(&m->sheet, -1);
    return m;
}

void sg_free(sg_mixer *m) {
    if (m == NULL) return;
    free_tap(PEEK(m->tap));
    free(m->reply);
    free(m->tail);
    free(m);
}

/* The producer's side --------------------------------------------------------------------------------------------- */

static sg_slot *free_slot(sg_mixer *m) {
    int64_t posted = PEEK(m->posted);
    return posted - LOAD(m->obeyed) < SG_COMMANDS ? &m->commands[posted % SG_COMMANDS] : NULL;
}

static void publish(sg_mixer *m) {
    atomic_store_explicit(&m->posted_ns, sg_now_ns(), memory_order_relaxed);
    STORE(m->posted, PEEK(m->posted) + 1);
}

int32_t sg_post(sg_mixer *m, const sg_command *commands, int32_t count) {
    int32_t taken = 0;
    for (sg_slot *slot; taken < count && (slot = free_slot(m)) != NULL; taken++) {
        slot->command = commands[taken];
        publish(m);
    }
    return taken;
}

int64_t sg_write(sg_mixer *m, const float *samples, int64_t frames, int64_t reply) {
    sg_slot *slot = free_slot(m);
    if (slot == NULL) return -1;
    int64_t room = m->reply_room - (m->reply_posted - LOAD(m->reply_taken));
    if (frames > room) frames = room;
    int64_t at = m->reply_posted & (m->reply_room - 1), before_wrap = least(frames, m->reply_room - at);
    memcpy(m->reply + at, samples, (size_t)before_wrap * sizeof(float));
    memcpy(m->reply, samples + before_wrap, (size_t)(frames - before_wrap) * sizeof(float));
    m->reply_posted += frames;
    *slot = (sg_slot){.command = {.what = SG_WRITE}, .frames = frames, .reply = reply};
    publish(m);
    return frames;
}

int32_t sg_take_events(sg_mixer *m, sg_event *events, int32_t room) {
    int64_t taken = PEEK(m->events_taken);
    int32_t count = (int32_t)least(LOAD(m->events_noted) - taken, room);
    for (int32_t i = 0; i < count; i++) events[i] = m->events[(taken + i) % SG_EVENTS];
    STORE(m->events_taken, taken + count);
    return count;
}

void sg_attend(sg_mixer *m, int64_t horizon) { STORE(m->horizon, horizon < 0 ? SG_NEVER : horizon); }

void sg_set_behind(sg_mixer *m, int32_t behind) { STORE(m->behind, behind); }

int32_t sg_any_behind(sg_mixer *const *mixers, int64_t count) {
    int32_t any = 0;
    for (int64_t i = 0; i < count; i++) any |= mixers[i] != NULL && LOAD(mixers[i]->behind);
    return any;
}

int64_t sg_position(const sg_mixer *m) { return LOAD(m->position); }
int64_t sg_reply_taken(const sg_mixer *m) { return LOAD(m->reply_taken); }
int64_t sg_obeyed(const sg_mixer *m) { return LOAD(m->obeyed); }
int64_t sg_sheet(const sg_mixer *m) { return LOAD(m->sheet); }
int64_t sg_posted_ns(const sg_mixer *m) { return LOAD(m->posted_ns); }
int32_t sg_told(const sg_mixer *m) { return LOAD(m->posted) != LOAD(m->obeyed); }

/* The consumer's side --------------------------------------------------------------------------------------------- */

static void obey_one(sg_mixer *m, int64_t number) {
    sg_state *s = &m->state;
    const sg_slot *slot = &m->commands[number % SG_COMMANDS];
    const sg_command *c = &slot->command;
    switch (c->what) {
        case SG_ARM:
            if (sg_do_arm(s, c->cues, least(c->count, SG_MAX_CUES), c->starts)) STORE(m->sheet, number);
            break;
        case SG_DISARM: sg_do_disarm(s); break;
        case SG_RELEASE: sg_do_release(s); break;
        case SG_RETIRE: sg_do_retire(s); break;
        case SG_WRITE: sg_do_write(s, slot->frames, slot->reply); break;
        case SG_END_REPLY: sg_do_end_reply(s); break;
        case SG_HOLD: sg_keep_tail(m); sg_do_hold(s); break;
        case SG_RESUME: sg_do_resume(s); break;
        case SG_FLUSH: sg_keep_tail(m); sg_do_flush(s); break;
        default: break;
    }
}

/* Obey what was told. Events first, then the count of what was obeyed: who sees the count also sees the events. */
static void publish_state(sg_mixer *m, int64_t obeyed) {
    STORE(m->events_noted, m->state.notes.next);
    STORE(m->position, m->state.position);
    STORE(m->reply_taken, m->state.reply_read);
    STORE(m->obeyed, obeyed);
}

void sg_obey(sg_mixer *m) {
    sg_state *s = &m->state;
    int64_t obeyed = PEEK(m->obeyed), posted = LOAD(m->posted), horizon = LOAD(m->horizon);
    s->notes.slots = m->events;
    s->notes.limit = LOAD(m->events_taken) + SG_EVENTS;
    if (horizon != s->horizon && sg_room_for_start(s)) sg_do_attend(s, horizon);
    while (obeyed < posted && sg_room_for_start(s)) obey_one(m, obeyed++);
    publish_state(m, obeyed);
}

static void begin(sg_mixer *m) {
    sg_obey(m);
    sg_settle(&m->state);
    publish_state(m, PEEK(m->obeyed));
}

/* Whether a filler sounded in a part, or in all of it: then all of it went through the limiter. */
typedef struct {
    bool any, all;
} sg_filler;

static sg_filler fill(const sg_mixer *m, sg_state *s, float *out, int64_t frames) {
    int64_t begin = s->position, end = begin + frames;
    sg_filler filler = {false, true};
    while (s->position < end) {
        int64_t stop = sg_next_change(s);
        if (stop <= s->position) stop = s->position + 1;
        if (stop > end) stop = end;
        filler.any |= s->voice_count > 0;
        filler.all &= s->voice_count > 0;
        sg_mix(m, s, out + (s->position - begin), stop - s->position);
        sg_advance(s, stop);
    }
    return filler;
}

static void keep_for_tap(sg_tap *tap, const float *out, int64_t frames, int64_t first, int32_t filler) {
    int64_t block = PEEK(tap->written);
    bool room = block - LOAD(tap->read) < tap->block_room;
    if (!room || tap->samples_written + frames - LOAD(tap->samples_read) > tap->room) {
        STORE(tap->lost, PEEK(tap->lost) + frames);
        return;
    }
    int64_t at = tap->samples_written & (tap->room - 1), before_wrap = least(frames, tap->room - at);
    memcpy(tap->samples + at, out, (size_t)before_wrap * sizeof(float));
    memcpy(tap->samples, out + before_wrap, (size_t)(frames - before_wrap) * sizeof(float));
    tap->blocks[block % tap->block_room] = (sg_tap_block){first, frames, tap->samples_written, filler};
    tap->samples_written += frames;
    STORE(tap->written, block + 1);
}

static sg_filler go_on(sg_mixer *m, float *out, int64_t frames) {
    int64_t first = m->state.position;
    sg_filler filler = fill(m, &m->state, out, frames);
    sg_tap *tap = LOAD(m->tap);
    if (tap != NULL && frames > 0) keep_for_tap(tap, out, frames, first, filler.any);
    publish_state(m, PEEK(m->obeyed));
    return filler;
}

void sg_go_on(sg_mixer *m, float *out, int64_t frames) { go_on(m, out, frames); }

void sg_render(sg_mixer *m, float *out, int64_t frames) {
    begin(m);
    sg_go_on(m, out, frames);
}

void sg_render_pcm16(sg_mixer *m, int16_t *out, int64_t frames) {
    float part[512];
    for (int64_t done = 0, run; done < frames; done += run) {
        run = least(frames - done, 512);
        begin(m);
        sg_filler filler = go_on(m, part, run);
        sg_to_pcm16(part, filler.all, out + done, run);
    }
}

/* With many mixers none is in the caches when its turn comes: ask for it beforehand, and for what it points to when
 * that is there. */
static void fetch_coming(sg_mixer *const *mixers, int64_t count, int64_t at, int64_t frames) {
    const int64_t line = SG_LINE / (int64_t)sizeof(float);
    const sg_mixer *m;
    if (at + 3 < count && (m = mixers[at + 3]) != NULL) {
        SG_SOON(&m->state);
        SG_SOON(m->state.voices);
        SG_SOON(m->state.replies);
        SG_SOON(&m->state.reply_count);
        SG_SOON(&m->posted);
        SG_SOON(&m->obeyed);
    }
    if (at + 2 < count && (m = mixers[at + 2]) != NULL) {
        const sg_state *s = &m->state;
        for (int64_t i = 0; i < s->voice_count; i++) SG_SOON(s->voices[i].cue);
        for (int64_t i = 0; s->reply_playing && i < frames; i += line)
            SG_SOON(m->reply + ((s->reply_read + i) & (m->reply_room - 1)));
    }
    if (at + 1 < count && (m = mixers[at + 1]) != NULL) sg_fetch_voices(&m->state, frames);
}

void sg_render_batch(sg_mixer *const *mixers, int64_t count, float *out, int64_t frames) {
    for (int64_t i = 0; i < count; i++) {
        fetch_coming(mixers, count, i, frames);
        if (mixers[i] != NULL)
            sg_render(mixers[i], out + i * frames, frames);
        else
            memset(out + i * frames, 0, (size_t)frames * sizeof(float));
    }
}

void sg_render_batch_pcm16(sg_mixer *const *mixers, int64_t count, int16_t *out, int64_t frames) {
    for (int64_t i = 0; i < count; i++) {
        fetch_coming(mixers, count, i, frames);
        if (mixers[i] != NULL)
            sg_render_pcm16(mixers[i], out + i * frames, frames);
        else
            memset(out + i * frames, 0, (size_t)frames * sizeof(int16_t));
    }
}

void sg_preview(sg_mixer *m, float *out, int64_t frames) {
    begin(m);
    sg_state copy = m->state;
    copy.notes.slots = NULL;
    fill(m, &copy, out, frames);
}

void sg_skip_to(sg_mixer *m, int64_t frame) {
    begin(m);
    sg_advance(&m->state, frame > m->state.position ? frame : m->state.position);
    m->state.tail_frames = 0;
    publish_state(m, PEEK(m->obeyed));
}

/* The tap --------------------------------------------------------------------------------------------------------- */

int32_t sg_open_tap(sg_mixer *m, int64_t room) {
    if (PEEK(m->tap) != NULL) return 1;
    sg_tap *tap = calloc(1, sizeof(sg_tap) + (size_t)room * sizeof(float));
    int64_t blocks = 1024 + room / 16; /* devices ask for no fewer frames */
    if (tap != NULL) tap->blocks = calloc((size_t)blocks, sizeof(sg_tap_block));
    if (tap == NULL || tap->blocks == NULL) {
        free_tap(tap);
        return 0;
    }
    tap->room = room;
    tap->block_room = blocks;
    STORE(m->tap, tap); /* stays until sg_free: the consumer may be using it at any time */
    return 1;
}

int64_t sg_read_tap(sg_mixer *m, float *out, int64_t room, int64_t *frame, int32_t *filler) {
    sg_tap *tap = PEEK(m->tap);
    if (tap == NULL) return 0;
    int64_t read = PEEK(tap->read);
    if (read == LOAD(tap->written)) return 0;
    sg_tap_block block = tap->blocks[read % tap->block_room];
    int64_t frames = least(block.frames - tap->offset, room);
    *frame = block.frame + tap->offset;
    *filler = block.filler;
    int64_t at = (block.at + tap->offset) & (tap->room - 1), before_wrap = least(frames, tap->room - at);
    memcpy(out, tap->samples + at, (size_t)before_wrap * sizeof(float));
    memcpy(out + before_wrap, tap->samples, (size_t)(frames - before_wrap) * sizeof(float));
    STORE(tap->samples_read, PEEK(tap->samples_read) + frames);
    tap->offset += frames;
    if (tap->offset == block.frames) {
        tap->offset = 0;
        STORE(tap->read, read + 1);
    }
    return frames;
}

int64_t sg_tap_lost(const sg_mixer *m) {
    const sg_tap *tap = PEEK(m->tap);
    return tap == NULL ? 0 : LOAD(tap->lost);
}
