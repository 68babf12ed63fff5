/* The mixer from inside: what the consumer alone owns (sg_state), and the rings (struct sg_mixer). */
#ifndef STOPGAP_STATE_H
#define STOPGAP_STATE_H
#include <stdatomic.h>
#include <stdbool.h>

#include "core.h"

#define SG_NEVER INT64_MAX
#define SG_LONG_AGO (-((int64_t)1 << 60))
#define SG_LINE 64 /* bytes of a cache line: kept between what one side writes and what the other does */

/* Loops over samples, also compiled for wider registers and chosen when the module is loaded. Not where the loader
 * cannot choose, nor under the sanitizers, which are not up yet by then. The results are the same. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SG_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define SG_WIDE
#endif

#ifdef __GNUC__
#define SG_SOON(address) __builtin_prefetch(address)
#else
#define SG_SOON(address) ((void)(address))
#endif

typedef struct {
    const sg_cue *cue;
    int64_t start;
    int64_t end; /* SG_NEVER: a loop without one */
    int64_t fade;
    double level; /* where the fade starts: below 1 if it took over from one under way */
    bool cut;
} sg_voice;

typedef struct {
    int64_t number, available, queued;
    bool open;
} sg_reply;

/* The events of one stretch of work: the ring, or nowhere (a preview, which only counts them). */
typedef struct {
    sg_event *slots; /* NULL: nowhere */
    int64_t next;
    int64_t limit; /* where the ring is full */
} sg_notes;

/* Everything that moving on changes. A preview works on a copy: whatever this points to is only read. */
typedef struct {
    int64_t position;
    int64_t starts;
    int64_t shift; /* of the armed sheet, by what a resume held it up */
    const sg_cue *cues;
    int64_t next, count; /* the cues that have not started: next <= i < count, but for those dropped */
    uint64_t dropped[SG_MAX_CUES / 64];
    sg_voice voices[SG_MAX_VOICES];
    int64_t voice_count;
    sg_reply replies[SG_MAX_REPLIES];
    int64_t reply_count;
    int64_t reply_start; /* SG_NEVER: not decided */
    int64_t reply_resumed, held_since, quiet_until;
    int64_t horizon; /* SG_NEVER: none */
    int64_t reply_read, reply_written; /* frames of the reply ring that were taken, that commands told of */
    int64_t tail_start, tail_frames;   /* what still fades of a stopped reply */
    int64_t preroll, stop_fade;
    bool held, reply_playing, starved, unattended;
    sg_notes notes;
} sg_state;

typedef struct {
    sg_command command;
    int64_t frames, reply; /* SG_WRITE */
} sg_slot;

typedef struct {
    int64_t frame, frames, at; /* *at*: where in the tap's samples */
    int32_t filler;
} sg_tap_block;

typedef struct {
    int64_t room, block_room;
    sg_tap_block *blocks;
    /* written by the consumer */
    _Atomic int64_t written; /* blocks */
    _Atomic int64_t lost;
    int64_t samples_written;
    char line[SG_LINE];
    /* written by the producer */
    _Atomic int64_t read;
    _Atomic int64_t samples_read;
    int64_t offset; /* frames of the oldest block that were taken */
    float samples[];
} sg_tap;

struct sg_mixer {
    /* the consumer's */
    sg_state state;
    float *tail; /* stop_fade frames; a preview stops nothing, so it only reads them */
    char line_0[SG_LINE];
    /* written by the producer */
    _Atomic int64_t posted;
    _Atomic int64_t posted_ns;
    _Atomic int64_t horizon;
    _Atomic int64_t events_taken;
    int64_t reply_posted;
    _Atomic(sg_tap *) tap;
    _Atomic int32_t behind;
    char line_1[SG_LINE];
    /* written by the consumer */
    _Atomic int64_t obeyed;
    _Atomic int64_t sheet; /* number of the command whose sheet is in force */
    _Atomic int64_t events_noted;
    _Atomic int64_t position;
    _Atomic int64_t reply_taken;
    char line_2[SG_LINE];
    /* the rings */
    sg_slot commands[SG_COMMANDS];
    sg_event events[SG_EVENTS];
    int64_t reply_room;
    float *reply;
};

/* schedule.c: which sound plays from which frame to which. Arming returns whether the sheet was taken. */
bool sg_do_arm(sg_state *s, const sg_cue *cues, int64_t count, int64_t starts);
void sg_do_disarm(sg_state *s);
void sg_do_release(sg_state *s);
void sg_do_retire(sg_state *s);
void sg_do_write(sg_state *s, int64_t frames, int64_t reply);
void sg_do_end_reply(sg_state *s);
void sg_do_hold(sg_state *s);
void sg_do_resume(sg_state *s);
void sg_do_flush(sg_state *s);
void sg_do_attend(sg_state *s, int64_t horizon);
int64_t sg_next_change(const sg_state *s);
void sg_advance(sg_state *s, int64_t frame);
void sg_settle(sg_state *s);
int64_t sg_reply_queued(const sg_state *s);
bool sg_room_for_start(const sg_state *s);

/* mix.c: what that sounds like. */
void sg_mix(const sg_mixer *m, sg_state *s, float *out, int64_t frames);
void sg_keep_tail(sg_mixer *m);
/* Convert; what was not *limited*, a reply alone, may be beyond 1 and is clipped where it is. */
void sg_to_pcm16(float *samples, bool limited, int16_t *out, int64_t frames);
/* Ask for the samples of the next frames to be in the caches soon. */
void sg_fetch_voices(const sg_state *s, int64_t frames);

#endif
