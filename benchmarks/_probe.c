/* See _probe.h. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "_probe.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int callback_fn(const void *, void *, unsigned long, const sgp_time_info *, unsigned long, void *);

struct sgp_probe {
    callback_fn *engine;
    void *userdata;
    int32_t channels;
    float threshold;
    int32_t loud;
    int64_t room;
    _Atomic int64_t count, lost;
    sgp_call *calls;
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* through the vDSO: no system call */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

sgp_probe *sgp_new(int64_t room, float threshold) {
    sgp_probe *p = calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    p->calls = malloc((size_t)room * sizeof *p->calls);
    if (p->calls == NULL) {
        free(p);
        return NULL;
    }
    memset(p->calls, 0xff, (size_t)room * sizeof *p->calls); /* not zero: that would leave the pages for later */
    p->room = room;
    p->threshold = threshold;
    return p;
}

void sgp_free(sgp_probe *p) {
    if (p != NULL) free(p->calls);
    free(p);
}

void sgp_wrap(sgp_probe *p, void *callback, void *userdata, int32_t channels) {
    memcpy(&p->engine, &callback, sizeof callback); /* ISO C has no cast from data to function pointers */
    p->userdata = userdata;
    p->channels = channels;
    p->loud = 0;
    atomic_store_explicit(&p->lost, 0, memory_order_relaxed);
    atomic_store_explicit(&p->count, 0, memory_order_release);
}

int64_t sgp_count(const sgp_probe *p) { return atomic_load_explicit(&p->count, memory_order_acquire); }
int64_t sgp_lost(const sgp_probe *p) { return atomic_load_explicit(&p->lost, memory_order_relaxed); }
const sgp_call *sgp_calls(const sgp_probe *p) { return p->calls; }

static void find_onset(sgp_probe *p, const float *samples, sgp_call *call) {
    call->onset = -1;
    call->level = 0.0;
    for (int32_t i = 0; i < call->frames; i++) {
        float x = samples[(int64_t)i * p->channels];
        int32_t loud = x > p->threshold || x < -p->threshold;
        if (loud && !p->loud && call->onset < 0) {
            call->onset = i;
            call->level = x;
        }
        p->loud = loud;
    }
    call->loud = p->loud;
}

int sgp_callback(const void *input, void *output, unsigned long frames, const sgp_time_info *times,
                 unsigned long flags, void *probe) {
    sgp_probe *p = probe;
    sgp_call call = {.frames = (int32_t)frames, .flags = (int32_t)flags};
    if (times != NULL) {
        call.current_s = times->current_s;
        call.dac_s = times->output_dac_s;
    }
    call.entry_ns = now_ns();
    int result = p->engine(input, output, frames, times, flags, p->userdata);
    call.exit_ns = now_ns();
    find_onset(p, output, &call);
    int64_t count = atomic_load_explicit(&p->count, memory_order_relaxed);
    if (count < p->room) {
        p->calls[count] = call;
        atomic_store_explicit(&p->count, count + 1, memory_order_release);
    } else {
        atomic_store_explicit(&p->lost, atomic_load_explicit(&p->lost, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
    return result;
}

int sgp_nothing(const void *input, void *output, unsigned long frames, const sgp_time_info *times,
                unsigned long flags, void *channels) {
    (void)input, (void)times, (void)flags;
    memset(output, 0, frames * (size_t)*(const int32_t *)channels * sizeof(float));
    return 0;
}
