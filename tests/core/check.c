/* The core by itself, step by step: what a program without Python may rely on. At 1000 Hz, a frame is a millisecond. */
#include <math.h>
#include <string.h>

#include "core.h"
#include "expect.h"

enum { STOP_FADE = 20, LONG = 4096 };

static float ones[LONG], ramp[LONG]; /* each sample of the ramp tells its place */

static sg_cue phrase(int64_t id, int64_t start, int64_t frames) {
    return (sg_cue){.id = id, .start = start, .end = -1, .samples = ones, .frames = frames, .fade = 40, .declick = 8,
                    .gain = 0.25f, .spoken = 1, .allow_belated = 1};
}

static sg_cue bed(int64_t id, int64_t start, int64_t end) {
    return (sg_cue){.id = id, .start = start, .end = end, .samples = ones, .frames = 100, .fade = 50, .fade_in = 30,
                    .gain = 0.25f, .loops = 1, .allow_belated = 1};
}

static void arm(sg_mixer *m, const sg_cue *cues, int32_t count, int64_t starts) {
    sg_command c = {.what = SG_ARM, .count = count, .cues = cues, .starts = starts};
    EXPECT(sg_post(m, &c, 1) == 1);
}

static void tell(sg_mixer *m, int32_t what) {
    sg_command c = {.what = what};
    EXPECT(sg_post(m, &c, 1) == 1);
}

/* Take the next event, which is this one. */
static void happened(sg_mixer *m, int32_t what, int64_t frame, int64_t number) {
    sg_event e;
    EXPECT(sg_take_events(m, &e, 1) == 1);
    EXPECT(e.what == what && e.frame == frame && e.number == number);
}

static void nothing_more_happened(sg_mixer *m) {
    sg_event e;
    EXPECT(sg_take_events(m, &e, 1) == 0);
}

static void reply_wraps_untouched(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 64);
    float out[LONG];
    int64_t written = 0, heard = 0;
    while (heard < LONG) {
        written += sg_write(m, ramp + written, LONG - written < 50 ? LONG - written : 50, 7);
        EXPECT(written - heard <= 64);
        sg_render(m, out + heard, heard % 31 + 1 < LONG - heard ? heard % 31 + 1 : LONG - heard);
        heard = sg_position(m);
        EXPECT(sg_reply_taken(m) == heard);
    }
    EXPECT(memcmp(out, ramp, sizeof out) == 0);
    sg_free(m);
}

static void cue_sounds_to_the_frame(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 64);
    sg_cue cues[] = {phrase(3, 50, 120), bed(4, 400, 600)};
    float out[1000];
    arm(m, cues, 2, 0);
    EXPECT(sg_told(m) && sg_sheet(m) == -1);
    sg_render(m, out, 1000);
    EXPECT(!sg_told(m) && sg_obeyed(m) == 1 && sg_sheet(m) == 0);
    for (int i = 0; i < 1000; i++) {
        EXPECT((out[i] != 0.0f) == ((i >= 50 && i < 170) || (i > 400 && i < 600)));
        EXPECT(!(i >= 50 && i < 170) || out[i] == 0.25f);
    }
    happened(m, SG_STARTED, 50, 3);
    happened(m, SG_ENDED, 170, 3);
    happened(m, SG_STARTED, 400, 4);
    happened(m, SG_ENDED, 600, 4);
    nothing_more_happened(m);
    sg_free(m);
}

static void reply_waits_for_the_mark(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 512);
    int64_t marks[] = {150, 900};
    sg_cue cue = phrase(1, 0, 900);
    cue.marks = marks;
    cue.mark_count = 2;
    cue.max_finish = 100;
    cue.gap = 5;
    float out[500];
    arm(m, &cue, 1, -1);
    sg_render(m, out, 100);
    EXPECT(sg_write(m, ramp, 200, 1) == 200);
    tell(m, SG_END_REPLY);
    sg_render(m, out, 400);
    EXPECT(out[41] == 0.25f && out[43] < 0.25f && out[49] > 0.0f && out[50] == 0.0f && out[54] == 0.0f);
    EXPECT(memcmp(out + 55, ramp, 200 * sizeof(float)) == 0);
    happened(m, SG_STARTED, 0, 1);
    happened(m, SG_ENDED, 150, 1);
    happened(m, SG_REPLY_STARTED, 155, 1);
    happened(m, SG_REPLY_ENDED, 355, 1);
    sg_free(m);
}

static void held_reply_goes_on_where_it_stopped(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 1024);
    float out[1500];
    sg_write(m, ramp, 1000, 1);
    sg_render(m, out, 300);
    tell(m, SG_HOLD);
    sg_render(m, out + 300, 200);
    tell(m, SG_RESUME);
    sg_render(m, out + 500, 1000);
    EXPECT(memcmp(out, ramp, 300 * sizeof(float)) == 0);
    EXPECT(out[300] == ramp[300] && out[319] > 0.0f);
    for (int i = 320; i <= 500; i++) EXPECT(out[i] == 0.0f);
    EXPECT(memcmp(out + 520, ramp + 320, 680 * sizeof(float)) == 0);
    tell(m, SG_FLUSH);
    sg_render(m, out, 100);
    EXPECT(sg_reply_taken(m) == 1000);
    sg_free(m);
}

static void sheet_made_in_ignorance_is_refused(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 64);
    sg_cue first = phrase(1, 0, 100), second = phrase(2, 50, 100);
    float out[200];
    arm(m, &first, 1, 0);
    sg_render(m, out, 10);
    arm(m, &second, 1, 0);
    sg_render(m, out, 190);
    EXPECT(sg_obeyed(m) == 2 && sg_sheet(m) == 0);
    happened(m, SG_STARTED, 0, 1);
    happened(m, SG_OUTDATED, 10, -1);
    happened(m, SG_ENDED, 100, 1);
    nothing_more_happened(m);
    sg_free(m);
}

static void limits_hold(void) {
    static sg_cue cues[SG_MAX_CUES + 50];
    sg_mixer *m = sg_new(0, STOP_FADE, 4096);
    float out[1000];
    sg_event e;
    for (int i = 0; i < SG_MAX_CUES + 50; i++) cues[i] = phrase(i, i < 40 ? 0 : 2 * i, i < 40 ? 60 : 1);
    arm(m, cues, SG_MAX_CUES + 50, -1);
    sg_render(m, out, 1000);
    EXPECT(out[0] < 1.0f && out[0] > 0.99f);
    int seen[SG_UNATTENDED + 1] = {0};
    while (sg_take_events(m, &e, 1)) seen[e.what]++;
    EXPECT(seen[SG_SKIPPED] == 40 - SG_MAX_VOICES);
    EXPECT(seen[SG_STARTED] == SG_MAX_CUES - seen[SG_SKIPPED] && seen[SG_ENDED] == seen[SG_STARTED]);
    for (int i = 0; i < SG_MAX_REPLIES + 10; i++) {
        EXPECT(sg_write(m, ramp, 10, i) == 10);
        tell(m, SG_END_REPLY);
    }
    sg_render(m, out, 1000);
    int replies = 0;
    while (sg_take_events(m, &e, 1)) replies += e.what == SG_REPLY_ENDED;
    EXPECT(replies == SG_MAX_REPLIES);
    int posted = 0;
    while (sg_post(m, &(sg_command){.what = SG_DISARM}, 1)) posted++;
    EXPECT(posted == SG_COMMANDS && sg_write(m, ramp, 10, 0) == -1);
    sg_obey(m);
    EXPECT(sg_write(m, ramp, LONG, 0) == 4096 && sg_write(m, ramp, 10, 0) == 0);
    sg_free(m);
}

static void full_events_delay_starts(void) {
    static sg_cue cues[SG_MAX_CUES];
    sg_mixer *m = sg_new(0, STOP_FADE, 64);
    float out[2000];
    sg_event e;
    int64_t started = 0, ended = 0, before = 0;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < SG_MAX_CUES; i++) cues[i] = phrase(1000 * round + i, sg_position(m) + 4 * i, 2);
        arm(m, cues, SG_MAX_CUES, -1);
        sg_render(m, out, 2000);
        if (sg_told(m)) break; /* what is not obeyed may be written to no more */
    }
    EXPECT(sg_told(m));
    for (int more = 1; more;) {
        more = 0;
        while (sg_take_events(m, &e, 1)) {
            EXPECT(e.frame >= before);
            before = e.frame;
            started += e.what == SG_STARTED;
            ended += e.what == SG_ENDED;
            more = 1;
        }
        sg_render(m, out, 2000);
    }
    EXPECT(started == ended && started > 300 && !sg_told(m));
    sg_free(m);
}

static void stuck_process_falls_silent(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 1024);
    sg_cue cues[] = {bed(1, 0, -1), phrase(2, 900, 10)};
    float out[1000];
    arm(m, cues, 2, -1);
    sg_attend(m, 500);
    sg_render(m, out, 1000);
    EXPECT(out[499] == 0.25f && out[549] > 0.0f && out[550] == 0.0f && out[905] == 0.0f);
    happened(m, SG_STARTED, 0, 1);
    happened(m, SG_UNATTENDED, 500, -1);
    happened(m, SG_ENDED, 550, 1);
    sg_write(m, ramp, 1000, 1);
    sg_render(m, out, 1000);
    EXPECT(memcmp(out, ramp, sizeof out) == 0);
    sg_free(m);
}

static void preview_comes_true(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 1024);
    sg_cue cues[] = {bed(1, 5, 400), phrase(2, 90, 100)};
    float ahead[300], out[300];
    arm(m, cues, 2, -1);
    sg_render(m, out, 50);
    sg_write(m, ramp, 700, 1);
    for (int i = 0; i < 5; i++) {
        sg_preview(m, ahead, 300);
        EXPECT(sg_position(m) == 50 + 100 * i);
        sg_render(m, out, 100);
        EXPECT(memcmp(ahead, out, 100 * sizeof(float)) == 0);
    }
    sg_skip_to(m, 10000);
    EXPECT(sg_position(m) == 10000 && sg_reply_taken(m) == 700);
    sg_free(m);
}

static void tap_keeps_what_there_is_room_for(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 4096);
    float out[512], seen[300];
    int64_t frame, taken = 0, count;
    int32_t filler;
    EXPECT(sg_read_tap(m, seen, 300, &frame, &filler) == 0 && sg_tap_lost(m) == 0);
    EXPECT(sg_open_tap(m, 1024) && sg_open_tap(m, 1024));
    sg_write(m, ramp, LONG, 1);
    for (int i = 0; i < 5; i++) sg_render(m, out, 400);
    EXPECT(sg_tap_lost(m) == 1200);
    while ((count = sg_read_tap(m, seen, 300, &frame, &filler)) > 0) {
        EXPECT(frame == taken && !filler && memcmp(seen, ramp + taken, (size_t)count * sizeof(float)) == 0);
        taken += count;
    }
    EXPECT(taken == 800);
    sg_render(m, out, 300);
    EXPECT(sg_read_tap(m, seen, 300, &frame, &filler) == 300 && frame == 2000 && seen[0] == ramp[2000]);
    sg_free(m);
}

static void device_hears_the_mixer(void) {
    sg_mixer *m = sg_new(0, STOP_FADE, 1024);
    sg_port *p = sg_new_port(m, 2, 1000);
    sg_set_latency(p, 0.25);
    float out[600];
    const double none = NAN;
    const sg_time_info times[] = {{0, 0, 0}, {none, none, none}, {0, 5.0, 5.5}, {0, -INFINITY, INFINITY}};
    sg_observation seen[8];
    sg_port_statistics s;
    sg_write(m, ramp, 1000, 1);
    EXPECT(sg_callback(NULL, out, 300, NULL, 4, p) == 0 && out[0] == 0.0f && sg_position(m) == 0);
    sg_attach(p);
    for (int i = 0; i < 5; i++) {
        EXPECT(sg_callback(NULL, out, 100, i < 4 ? &times[i] : NULL, i == 2 ? 4 : 0, p) == 0);
        for (int k = 0; k < 200; k++) EXPECT(out[k] == ramp[100 * i + k / 2]);
    }
    EXPECT(sg_callback(NULL, out, 0, NULL, 0, p) == 0);
    EXPECT(sg_detach(p));
    EXPECT(sg_callback(NULL, out, 300, NULL, 4, p) == 0 && out[599] == 0.0f && sg_position(m) == 500);
    EXPECT(sg_observations(p, seen, 8) == 6 && seen[0].frame == 0 && seen[4].frame == 400);
    for (int i = 0; i < 6; i++) EXPECT(seen[i].at_s - (i == 2 ? 0.5 : 0.25) <= (double)sg_now_ns() * 1e-9 + 1e-9);
    sg_statistics(p, &s);
    EXPECT(s.callbacks == 6 && s.callbacks == sg_callbacks(p) && s.frames == 500 && s.underruns == 1);
    EXPECT(s.smallest_block == 0 && s.largest_block == 100);
    sg_free_port(p);
    sg_free(m);
}

static void many_at_once_and_16_bits(void) {
    sg_mixer *mixers[3], *others[3];
    float out[300];
    int16_t pcm[300];
    for (int i = 0; i < 3; i++) {
        mixers[i] = sg_new(0, STOP_FADE, 512);
        others[i] = sg_new(0, STOP_FADE, 512);
        sg_write(mixers[i], ramp + 100 * i, 100, 1);
        sg_write(others[i], ramp + 100 * i, 100, 1);
    }
    sg_render_batch(mixers, 3, out, 100);
    sg_render_batch_pcm16(others, 3, pcm, 100);
    EXPECT(memcmp(out, ramp, sizeof out) == 0);
    for (int i = 0; i < 300; i++) EXPECT(pcm[i] == (int16_t)(ramp[i] * 32767.0f));
    for (int i = 0; i < 3; i++) {
        sg_free(mixers[i]);
        sg_free(others[i]);
    }
    sg_free(NULL);
}

int main(void) {
    static void (*const checks[])(void) = {
        reply_wraps_untouched, cue_sounds_to_the_frame, reply_waits_for_the_mark, held_reply_goes_on_where_it_stopped,
        sheet_made_in_ignorance_is_refused, limits_hold, full_events_delay_starts, stuck_process_falls_silent,
        preview_comes_true, tap_keeps_what_there_is_room_for, device_hears_the_mixer, many_at_once_and_16_bits,
    };
    for (int i = 0; i < LONG; i++) {
        ones[i] = 1.0f;
        ramp[i] = (float)(i + 1) / (2 * LONG);
    }
    int count = (int)(sizeof checks / sizeof *checks);
    for (int i = 0; i < count; i++) checks[i]();
    printf("check: %d scenarios\n", count);
    return 0;
}
