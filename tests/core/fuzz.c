/* Any bytes as a stream of commands: what comes out stays finite and within 1, and the books balance.
 *
 *   fuzz COUNT SEED      COUNT pseudo-random inputs
 *   fuzz FILE ...        these inputs, as a fuzzer left them
 *
 * With -DSG_LIBFUZZER -fsanitize=fuzzer it is libFuzzer's. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "core.h"
#include "expect.h"

enum { CLIP = 512, BLOCK = 600, SHEETS = 64, CUES = 12, MARKS = 4 };

typedef struct {
    const uint8_t *at, *end;
} bytes;

static uint8_t next(bytes *in) { return in->at < in->end ? *in->at++ : 0; }

/* Small mostly, some larger, now and then as large as a frame number can sanely be: below 2^40. */
static int64_t size(bytes *in) {
    uint8_t how = next(in);
    if (how < 160) return next(in);
    if (how < 240) return next(in) << 4 | next(in) >> 4;
    int64_t x = 0;
    for (int i = 0; i < 5; i++) x = x << 8 | next(in);
    return x;
}

static int64_t any(bytes *in) { return next(in) & 1 ? -size(in) : size(in); }

typedef struct {
    sg_cue cues[CUES];
    int64_t marks[CUES][MARKS];
} sheet;

static float clip[CLIP];

static int by_start(const void *a, const void *b) {
    const sg_cue *left = a, *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

static int32_t fill(sheet *s, bytes *in, int64_t position, int64_t *ids) {
    int32_t count = next(in) % (CUES + 1);
    for (int32_t i = 0; i < count; i++) {
        uint8_t what = next(in);
        sg_cue *c = &s->cues[i];
        *c = (sg_cue){.id = (*ids)++, .start = position + any(in), .samples = clip, .frames = size(in) % (CLIP + 1),
                      .marks = s->marks[i], .mark_count = next(in) % (MARKS + 1), .min_play = size(in),
                      .max_finish = size(in), .fade = size(in), .gap = any(in), .fade_in = size(in),
                      .declick = size(in), .gain = (float)next(in) / 32.0f, .loops = what & 1, .spoken = what >> 1 & 1,
                      .allow_belated = what >> 2 & 1};
        c->end = what >> 3 & 1 ? -1 : position + any(in);
        for (int64_t k = 0; k < c->mark_count; k++) s->marks[i][k] = any(in);
    }
    qsort(s->cues, (size_t)count, sizeof(sg_cue), by_start);
    return count;
}

typedef struct {
    sg_mixer *mixer;
    int64_t position, frame, started, ended;
} play;

static void take_events(play *p, int32_t room) {
    static sg_event events[SG_EVENTS];
    int32_t count = sg_take_events(p->mixer, events, room);
    EXPECT(count >= 0 && count <= room);
    for (int32_t i = 0; i < count; i++) {
        EXPECT(events[i].frame >= p->frame && events[i].frame <= p->position);
        EXPECT(events[i].what >= SG_STARTED && events[i].what <= SG_REPLY_ENDED);
        p->frame = events[i].frame;
        p->started += events[i].what == SG_STARTED;
        p->ended += events[i].what == SG_ENDED;
        EXPECT(p->started >= p->ended && p->started - p->ended <= SG_MAX_VOICES);
    }
}

static void render(play *p, int64_t frames, int ahead) {
    float out[BLOCK], before[BLOCK];
    if (ahead) {
        sg_preview(p->mixer, before, frames);
        EXPECT(sg_position(p->mixer) == p->position);
    }
    sg_render(p->mixer, out, frames);
    EXPECT(!ahead || memcmp(before, out, (size_t)frames * sizeof(float)) == 0);
    for (int64_t i = 0; i < frames; i++) EXPECT(isfinite(out[i]) && fabsf(out[i]) <= 1.0f);
    p->position += frames;
    EXPECT(sg_position(p->mixer) == p->position);
}

static void read_tap(sg_mixer *m) {
    float out[BLOCK];
    int64_t frame, count;
    int32_t filler;
    while ((count = sg_read_tap(m, out, BLOCK, &frame, &filler)) > 0)
        EXPECT(frame >= 0 && frame + count <= sg_position(m) && count <= BLOCK);
}

static void do_one(play *p, bytes *in, sheet *sheets, int64_t *sheets_used, int64_t *ids, int64_t *written) {
    sg_mixer *m = p->mixer;
    uint8_t what = next(in) % 20;
    if (what < 4 && *sheets_used < SHEETS) {
        sheet *s = &sheets[(*sheets_used)++]; /* all stay until the end */
        sg_command c = {.what = SG_ARM, .count = fill(s, in, p->position, ids), .starts = -1, .cues = s->cues};
        if (next(in) < 20) c.starts = next(in);
        EXPECT(sg_post(m, &c, 1) <= 1);
    } else if (what < 8) {
        int64_t taken = sg_write(m, clip, size(in) % (CLIP + 1), next(in) % 40);
        *written += taken > 0 ? taken : 0;
        EXPECT(sg_reply_taken(m) <= *written);
    } else if (what < 9 + SG_FLUSH) {
        sg_command c = {.what = what - 8};
        if (c.what != SG_ARM && c.what != SG_WRITE) sg_post(m, &c, 1);
    } else if (what == 17) {
        sg_attend(m, next(in) & 1 ? p->position + any(in) : -1);
    } else if (what == 18) {
        take_events(p, next(in) + 1);
        read_tap(m);
    } else if (next(in) < 64) {
        int64_t to = p->position + any(in);
        sg_skip_to(m, to);
        if (to > p->position) p->position = to;
        EXPECT(sg_position(m) == p->position);
    }
    if (next(in) < 160) render(p, size(in) % BLOCK, next(in) < 40);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    static sheet sheets[SHEETS];
    bytes in = {data, data + length};
    if (clip[0] == 0.0f)
        for (int i = 0; i < CLIP; i++) clip[i] = i % 2 ? -1.0f : 1.0f - (float)i / CLIP;
    int64_t preroll = size(&in) % 300, stop_fade = size(&in) % 100, sheets_used = 0, ids = 0, written = 0;
    play p = {.mixer = sg_new(preroll, stop_fade, 1 << (3 + next(&in) % 8))};
    if (next(&in) & 1) EXPECT(sg_open_tap(p.mixer, 1 << (4 + next(&in) % 8)));
    while (in.at < in.end) do_one(&p, &in, sheets, &sheets_used, &ids, &written);
    for (int i = 0; i < 8; i++) {
        take_events(&p, SG_EVENTS);
        render(&p, BLOCK, 0);
    }
    EXPECT(sg_told(p.mixer) == 0);
    sg_post(p.mixer, &(sg_command){.what = SG_FLUSH}, 1);
    render(&p, 100, 0);
    render(&p, 1, 0);
    take_events(&p, SG_EVENTS);
    EXPECT(p.started == p.ended && sg_reply_taken(p.mixer) == written);
    sg_free(p.mixer);
    return 0;
}

#ifndef SG_LIBFUZZER
static void feed_file(const char *path) {
    static uint8_t data[1 << 16];
    FILE *file = fopen(path, "rb");
    EXPECT(file != NULL);
    LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, file));
    fclose(file);
}

int main(int argc, char **argv) {
    uint8_t data[2000];
    if (argc != 3 || !isdigit((unsigned char)*argv[1])) {
        for (int i = 1; i < argc; i++) feed_file(argv[i]);
        printf("fuzz: %d files\n", argc - 1);
        return 0;
    }
    long count = atol(argv[1]), total = 0;
    uint64_t state = strtoull(argv[2], NULL, 10) * 2 + 1;
    for (long i = 0; i < count; i++) {
        size_t length = (size_t)random_below(&state, sizeof data);
        for (size_t k = 0; k < length; k++) data[k] = (uint8_t)(random_bits(&state) >> 40);
        LLVMFuzzerTestOneInput(data, length);
        total += (long)length;
    }
    printf("fuzz: %ld inputs, %ld bytes\n", count, total);
    return 0;
}
#endif
