/* Two threads on one mixer, for a sanitizer to watch: one posts and reads what happened, the other renders.
 *
 *   stress COMMANDS SEED
 *
 * First without stops, where the reply must come out complete and in order; then with all there is; then with a device
 * that is attached and detached while it asks. Sheets are freed as early as core.h allows. */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "expect.h"

enum { BLOCK = 256, CUES = 6, CLIP = 300, WRITE = 400, SHEETS = 4096, TOP = 1 << 23 };

static const double LIMIT_S = 60; /* a hang is a failure */

typedef struct {
    int64_t command;
    sg_cue *cues; /* NULL: this place is free */
    int64_t sounding;
} sheet;

typedef struct {
    sg_mixer *mixer;
    sg_port *port; /* NULL: rendered without one */
    uint64_t random;
    int silent; /* the clips: what sounds is the reply alone */
    /* the producer's */
    int64_t posted, written, ids, frame, started, ended, fresh;
    sheet sheets[SHEETS];
    int32_t of_cue[SHEETS * CUES]; /* ids modulo the length: which sheet */
    int64_t tap_frame;
    int64_t tap_place;
    /* the consumer's */
    atomic_int over;
    int64_t heard;
    uint64_t consumer_random;
} play;

/* The reply counts up, in steps that float32 holds exactly. */
static float counted(int64_t place) { return (float)(place % TOP + 1) / (2.0f * TOP); }

static void check_block(play *p, const float *out, int64_t frames) {
    for (int64_t i = 0; i < frames; i++) {
        EXPECT(isfinite(out[i]) && fabsf(out[i]) <= 1.0f);
        if (p->silent && out[i] != 0.0f) EXPECT(out[i] == counted(p->heard++));
    }
}

static void *consume(void *argument) {
    play *p = argument;
    float out[BLOCK], before[BLOCK];
    while (!atomic_load(&p->over)) {
        int64_t frames = random_below(&p->consumer_random, BLOCK) + 1;
        if (p->port != NULL) {
            sg_callback(NULL, out, (unsigned long)frames, NULL, 0, p->port);
        } else {
            if (frames % 16 == 0) sg_preview(p->mixer, before, frames);
            sg_render(p->mixer, out, frames);
            check_block(p, out, frames);
        }
    }
    return NULL;
}

/* Sheets ---------------------------------------------------------------------------------------------------------- */

static int64_t earlier(const void *a, const void *b) { return ((const sg_cue *)a)->start - ((const sg_cue *)b)->start; }
static int by_start(const void *a, const void *b) { return earlier(a, b) < 0 ? -1 : earlier(a, b) > 0; }

/* Return a sheet in memory of its own, so that any use after it was freed shows. */
static sg_cue *new_cues(play *p, int32_t count) {
    int64_t position = sg_position(p->mixer), marks[] = {CLIP / 3, CLIP / 2};
    char *memory = malloc(CUES * sizeof(sg_cue) + sizeof marks + CLIP * sizeof(float));
    EXPECT(memory != NULL);
    sg_cue *cues = (sg_cue *)memory;
    int64_t *places = (int64_t *)(memory + CUES * sizeof(sg_cue));
    float *samples = (float *)(places + 2);
    memcpy(places, marks, sizeof marks);
    for (int i = 0; i < CLIP; i++) samples[i] = p->silent ? 0.0f : (float)i / CLIP - 0.5f;
    for (int32_t i = 0; i < count; i++) {
        uint64_t dice = random_bits(&p->random) >> 20;
        cues[i] = (sg_cue){.start = position + random_below(&p->random, 400) - 60, .samples = samples, .frames = CLIP,
                           .marks = places, .mark_count = 2, .max_finish = 60, .fade = 30, .gap = (int)(dice % 40) - 20,
                           .declick = 8, .gain = 0.7f, .loops = dice >> 8 & 1, .spoken = dice >> 9 & 1,
                           .allow_belated = dice >> 10 & 1};
        cues[i].end = cues[i].start + 200;
    }
    qsort(cues, (size_t)count, sizeof(sg_cue), by_start);
    return cues;
}

static void arm(play *p) {
    int32_t place = 0, count = (int32_t)random_below(&p->random, CUES + 1);
    while (p->sheets[place].cues != NULL) EXPECT(++place < SHEETS);
    sg_command c = {.what = SG_ARM, .count = count, .starts = random_below(&p->random, 4) ? -1 : p->started};
    sg_cue *cues = new_cues(p, count);
    for (int32_t i = 0; i < count; i++) {
        cues[i].id = p->ids;
        p->of_cue[p->ids++ % (SHEETS * CUES)] = place;
    }
    c.cues = cues;
    if (sg_post(p->mixer, &c, 1) != 1) {
        free(cues);
        return;
    }
    p->sheets[place] = (sheet){.command = p->posted++, .cues = cues};
}

static void take_events(play *p) {
    sg_event events[64];
    int64_t obeyed = sg_obeyed(p->mixer), in_force = sg_sheet(p->mixer);
    int32_t count;
    while ((count = sg_take_events(p->mixer, events, 64)) > 0) {
        for (int32_t i = 0; i < count; i++) {
            const sg_event *e = &events[i];
            EXPECT(e->frame >= p->frame);
            p->frame = e->frame;
            if (e->what != SG_STARTED && e->what != SG_ENDED) continue;
            sheet *s = &p->sheets[p->of_cue[e->number % (SHEETS * CUES)]];
            s->sounding += e->what == SG_STARTED ? 1 : -1;
            EXPECT(s->cues != NULL && s->sounding >= 0);
            p->started += e->what == SG_STARTED;
            p->ended += e->what == SG_ENDED;
            EXPECT(p->started >= p->ended && p->started - p->ended <= SG_MAX_VOICES);
        }
    }
    for (int32_t i = 0; i < SHEETS; i++) {
        sheet *s = &p->sheets[i];
        if (s->cues == NULL || s->command >= obeyed || s->command == in_force || s->sounding) continue;
        free(s->cues);
        s->cues = NULL;
        p->fresh++;
    }
}

/* The rest of the producer ---------------------------------------------------------------------------------------- */

static void tell(play *p, int32_t what) {
    sg_command c = {.what = what};
    p->posted += sg_post(p->mixer, &c, 1);
}

static void say(play *p) {
    float samples[WRITE];
    int64_t frames = random_below(&p->random, WRITE);
    for (int64_t i = 0; i < frames; i++) samples[i] = counted(p->written + i);
    int64_t taken = sg_write(p->mixer, samples, frames, p->written / 20000);
    if (taken < 0) return;
    p->written += taken;
    p->posted++;
}

static void read_tap(play *p) {
    float out[BLOCK];
    int64_t frame, count;
    int32_t filler;
    while ((count = sg_read_tap(p->mixer, out, BLOCK, &frame, &filler)) > 0) {
        EXPECT(frame >= p->tap_frame && frame + count <= sg_position(p->mixer) + BLOCK);
        p->tap_frame = frame + count;
        for (int64_t i = 0; i < count && p->silent; i++) {
            if (out[i] == 0.0f) continue;
            int64_t place = (int64_t)(out[i] * (2.0f * TOP)), step = (place - p->tap_place + TOP) % TOP;
            EXPECT(p->tap_place < 0 || (step > 0 && step < TOP / 2)); /* what was lost in between is less */
            p->tap_place = place;
        }
    }
}

/* The device is taken away, the producer renders by itself, and gives it back. */
static void take_over(play *p) {
    float out[BLOCK];
    sg_observation seen[16];
    sg_port_statistics counted_so_far;
    while (!sg_detach(p->port)) sched_yield();
    sg_render(p->mixer, out, random_below(&p->random, BLOCK) + 1);
    sg_skip_to(p->mixer, sg_position(p->mixer) + 10);
    sg_observations(p->port, seen, 16);
    sg_statistics(p->port, &counted_so_far);
    sg_attach(p->port);
}

static void do_one(play *p) {
    int64_t dice = random_below(&p->random, 100);
    if (dice < 25) {
        arm(p);
    } else if (dice < (p->silent ? 55 : 30)) {
        say(p);
    } else if (dice < 70) {
        static const int32_t what[] = {SG_DISARM, SG_RELEASE, SG_RETIRE, SG_END_REPLY, SG_HOLD, SG_RESUME, SG_FLUSH};
        tell(p, what[random_below(&p->random, p->silent ? 4 : 7)]);
    } else if (dice < 80) {
        sg_attend(p->mixer, dice < 75 ? -1 : sg_position(p->mixer) + random_below(&p->random, 500));
    } else if (dice < 90) {
        take_events(p);
    } else {
        read_tap(p);
        if (p->port != NULL) take_over(p);
    }
}

static void run(const char *name, int64_t commands, uint64_t seed, int silent, int device) {
    static play p;
    memset(&p, 0, sizeof p);
    p.random = seed * 2 + 1;
    p.consumer_random = seed * 4 + 3;
    p.silent = silent;
    p.tap_place = -1;
    p.mixer = sg_new(50, 20, 1024);
    EXPECT(p.mixer != NULL);
    if (device) p.port = sg_new_port(p.mixer, 1, 1000);
    pthread_t consumer;
    EXPECT(pthread_create(&consumer, NULL, consume, &p) == 0);
    if (device) sg_attach(p.port);
    while (p.posted < commands) {
        int64_t before = p.posted;
        do_one(&p);
        if (p.posted == commands / 4) EXPECT(sg_open_tap(p.mixer, 8192));
        if (p.posted == before) sched_yield();
    }
    while (sg_told(p.mixer) || (silent && sg_reply_taken(p.mixer) < p.written)) {
        take_events(&p);
        tell(&p, SG_END_REPLY);
        sched_yield();
    }
    atomic_store(&p.over, 1);
    EXPECT(pthread_join(consumer, NULL) == 0);
    EXPECT(!silent || (p.heard == p.written && sg_reply_taken(p.mixer) == p.written));
    float out[1000];
    tell(&p, SG_FLUSH);
    sg_render(p.mixer, out, 1000);
    arm(&p);
    sg_render(p.mixer, out, 1000);
    sg_render(p.mixer, out, 1000);
    take_events(&p);
    sg_render(p.mixer, out, 1);
    take_events(&p);
    EXPECT(p.started == p.ended && p.posted == sg_obeyed(p.mixer));
    printf("stress: %s: %lld commands, %lld frames, %lld of reply, %lld starts, %lld sheets freed early\n", name,
           (long long)p.posted, (long long)sg_position(p.mixer), (long long)p.written, (long long)p.started,
           (long long)p.fresh);
    sg_free_port(p.port);
    sg_free(p.mixer);
    for (int32_t i = 0; i < SHEETS; i++) free(p.sheets[i].cues);
}

int main(int argc, char **argv) {
    int64_t commands = argc > 1 ? atoll(argv[1]) : 20000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    alarm((unsigned)LIMIT_S);
    run("reply and silent fillers", commands, seed, 1, 0);
    run("everything", commands, seed, 0, 0);
    run("a device comes and goes", commands, seed, 0, 1);
    return 0;
}
