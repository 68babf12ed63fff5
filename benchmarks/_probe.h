/* A probe between PortAudio and whatever fills its buffers: who is called when, for how long, and where a sound begins.
 *
 * sgp_callback takes the place of an engine's callback and calls it. It takes no lock, allocates nothing and makes no
 * system call; one thread runs it, others read what is below sgp_count. Times are CLOCK_MONOTONIC, ns (the clock of
 * Python's time.monotonic).
 *
 * cffi reads this file: no macros, no atomics, and every line that begins with '#' is left out.
 */
#ifndef STOPGAP_PROBE_H
#define STOPGAP_PROBE_H
#include <stdint.h>

/* One callback. The order of the fields is known to _measure.py. */
typedef struct {
    int64_t entry_ns, exit_ns;    /* before and after the engine's own callback */
    double current_s, dac_s;      /* what PortAudio said, on the stream's clock */
    double level;                 /* of the sample at *onset*, with its sign */
    int32_t frames, flags;        /* flags: PaStreamCallbackFlags */
    int32_t onset;                /* first loud sample after silence; negative: none */
    int32_t loud;                 /* whether the last sample is loud */
} sgp_call;

typedef struct {
    double input_adc_s, current_s, output_dac_s;
} sgp_time_info;

typedef struct sgp_probe sgp_probe;

/* Return a new probe, or NULL without memory. *room*: callbacks that are kept. *threshold*: what is above is loud. */
sgp_probe *sgp_new(int64_t room, float threshold);
void sgp_free(sgp_probe *probe);
/* From now on call *callback* with *userdata*, and look at the first of *channels* interleaved float32 channels.
 * Not while the callback runs. */
void sgp_wrap(sgp_probe *probe, void *callback, void *userdata, int32_t channels);
/* Callbacks that were recorded. */
int64_t sgp_count(const sgp_probe *probe);
/* Callbacks that found no room. */
int64_t sgp_lost(const sgp_probe *probe);
const sgp_call *sgp_calls(const sgp_probe *probe);

/* PortAudio's callback (PaStreamCallback); *probe* is an sgp_probe. */
int sgp_callback(const void *input, void *output, unsigned long frames, const sgp_time_info *times,
                 unsigned long flags, void *probe);
/* An engine that does nothing but write zeros; *channels* points to an int32_t. */
int sgp_nothing(const void *input, void *output, unsigned long frames, const sgp_time_info *times,
                unsigned long flags, void *channels);

#endif
