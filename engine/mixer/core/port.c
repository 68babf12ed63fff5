/* A device: PortAudio's callback, what it counts, and where its frames lie on the clock. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

static const double LONGEST_LATENCY_S = 1.0; /* beyond it PortAudio's figures are garbage */
enum { UNDERFLOWED = 4 };                    /* paOutputUnderflow */

struct sg_port {
    sg_mixer *mixer;
    int32_t channels;
    double rate, latency_s;
    _Atomic int32_t attached, inside;
    _Atomic int64_t observed, observations_taken;
    sg_observation observations[SG_OBSERVATIONS];
    _Atomic int64_t callbacks, frames, underruns, over_period, smallest, largest, longest_ns;
    _Atomic int64_t run_time[SG_BUCKETS];
};

static int64_t get(const _Atomic int64_t *x) { return atomic_load_explicit(x, memory_order_relaxed); }
static void set(_Atomic int64_t *x, int64_t value) { atomic_store_explicit(x, value, memory_order_relaxed); }

sg_port *sg_new_port(sg_mixer *mixer, int32_t channels, int64_t rate) {
    sg_port *p = calloc(1, sizeof(sg_port));
    if (p == NULL) return NULL;
    p->mixer = mixer;
    p->channels = channels;
    p->rate = (double)rate;
    return p;
}

void sg_free_port(sg_port *p) { free(p); }
void sg_set_latency(sg_port *p, double latency_s) { p->latency_s = latency_s; }

/* The callback says that it is inside and then looks whether it is attached; who detaches it says so and then looks
 * whether it is inside. Sequentially consistent, so that one of the two sees the other. */
void sg_attach(sg_port *p) { atomic_store(&p->attached, 1); }

int32_t sg_detach(sg_port *p) {
    atomic_store(&p->attached, 0);
    return !atomic_load(&p->inside);
}

int32_t sg_observations(sg_port *p, sg_observation *out, int32_t room) {
    int64_t taken = get(&p->observations_taken);
    int64_t there = atomic_load_explicit(&p->observed, memory_order_acquire) - taken;
    int32_t count = (int32_t)(there < room ? there : room);
    for (int32_t i = 0; i < count; i++) out[i] = p->observations[(taken + i) % SG_OBSERVATIONS];
    atomic_store_explicit(&p->observations_taken, taken + count, memory_order_release);
    return count;
}

int64_t sg_callbacks(const sg_port *p) { return get(&p->callbacks); }

void sg_statistics(const sg_port *p, sg_port_statistics *out) {
    out->callbacks = get(&p->callbacks);
    out->frames = get(&p->frames);
    out->underruns = get(&p->underruns);
    out->over_period = get(&p->over_period);
    out->smallest_block = get(&p->smallest);
    out->largest_block = get(&p->largest);
    out->longest_ns = get(&p->longest_ns);
    for (int i = 0; i < SG_BUCKETS; i++) out->run_time[i] = get(&p->run_time[i]);
}

static void observe(sg_port *p, int64_t entered_ns, const sg_time_info *times) {
    int64_t count = get(&p->observed);
    double ahead = times == NULL ? 0.0 : times->output_dac_s - times->current_s;
    if (!(ahead > 0.0 && ahead < LONGEST_LATENCY_S)) ahead = p->latency_s;
    if (count - atomic_load_explicit(&p->observations_taken, memory_order_acquire) >= SG_OBSERVATIONS) return;
    p->observations[count % SG_OBSERVATIONS] =
        (sg_observation){p->mixer->state.position, (double)entered_ns * 1e-9 + ahead};
    atomic_store_explicit(&p->observed, count + 1, memory_order_release);
}

static void count_run(sg_port *p, int64_t frames, int64_t ns, unsigned long flags) {
    int exponent;
    double part = frexp((double)(ns > 0 ? ns : 1), &exponent);
    int bucket = 4 * (exponent - 1) + (int)(8.0 * part) - 4;
    if (bucket >= SG_BUCKETS) bucket = SG_BUCKETS - 1;
    set(&p->run_time[bucket], get(&p->run_time[bucket]) + 1);
    if (ns > get(&p->longest_ns)) set(&p->longest_ns, ns);
    if ((double)ns * 1e-9 * p->rate > (double)frames) set(&p->over_period, get(&p->over_period) + 1);
    if (flags & UNDERFLOWED) set(&p->underruns, get(&p->underruns) + 1);
    if (get(&p->callbacks) == 0 || frames < get(&p->smallest)) set(&p->smallest, frames);
    if (frames > get(&p->largest)) set(&p->largest, frames);
    set(&p->frames, get(&p->frames) + frames);
    set(&p->callbacks, get(&p->callbacks) + 1);
}

int sg_callback(const void *input, void *output, unsigned long frames, const sg_time_info *times, unsigned long flags,
                void *port) {
    sg_port *p = port;
    float *out = output;
    int64_t entered_ns = sg_now_ns(), count = (int64_t)frames;
    (void)input;
    atomic_store(&p->inside, 1);
    if (atomic_load(&p->attached)) {
        observe(p, entered_ns, times);
        sg_render(p->mixer, out, count);
        /* mono lies at the front: spread it from behind */
        for (int64_t i = count * p->channels - 1; p->channels > 1 && i >= 0; i--) out[i] = out[i / p->channels];
        count_run(p, count, sg_now_ns() - entered_ns, flags);
    } else {
        memset(out, 0, frames * (size_t)p->channels * sizeof(float));
    }
    atomic_store_explicit(&p->inside, 0, memory_order_release);
    return 0;
}
