/* The mixer's C core, as its two sides see it.
 *
 * One thread at a time posts and reads what happened (the producer), one at a time renders (the consumer). They meet
 * in single-producer single-consumer rings. What the consumer calls (sg_render, sg_skip_to, sg_callback) takes no
 * lock, allocates nothing, makes no system call and touches no Python object; sg_callback reads the clock.
 *
 * Times are frames of the mixer's own counter unless they end in _ns or _s. The rules themselves are documented in
 * _schedule.py, which this is a translation of; the tests drive both with the same commands.
 *
 * cffi reads this file: no macros, no atomics, and every line that begins with '#' is left out.
 */
#ifndef STOPGAP_CORE_H
#define STOPGAP_CORE_H
#include <stdint.h>

enum {
    SG_MAX_VOICES = 32,
    SG_MAX_CUES = 256,   /* of a cue sheet */
    SG_MAX_REPLIES = 32, /* that wait behind each other */
    SG_COMMANDS = 256,   /* room of the command ring */
    SG_EVENTS = 1024,    /* room of the event ring */
    SG_OBSERVATIONS = 256,
    SG_BUCKETS = 128     /* of the histogram of run times, four to the octave */
};

/* What a command says. */
enum { SG_ARM, SG_DISARM, SG_RELEASE, SG_RETIRE, SG_WRITE, SG_END_REPLY, SG_HOLD, SG_RESUME, SG_FLUSH };

/* What an event says happened; the order of `Heard`. */
enum {
    SG_STARTED, SG_ENDED, SG_SKIPPED, SG_OUTDATED, SG_UNATTENDED, SG_REPLY_STARTED, SG_REPLY_STARVED, SG_REPLY_ENDED
};

/* One armed cue. It, its samples and its marks stay where they are until its sheet was obeyed and is not the one in
 * force (sg_obeyed, then sg_sheet tell), and each of its cues that had started by then (the events tell) has ended. */
typedef struct {
    int64_t id;
    int64_t start;
    int64_t end; /* of a loop; negative: none */
    const float *samples;
    int64_t frames;
    const int64_t *marks;
    int64_t mark_count;
    int64_t min_play, max_finish, fade, gap, fade_in, declick;
    float gain;
    int32_t loops, spoken, allow_belated;
} sg_cue;

typedef struct {
    int32_t what;
    int32_t count;      /* SG_ARM: cues */
    int64_t starts;     /* SG_ARM: starts its maker knows of; negative: whatever they are */
    const sg_cue *cues; /* SG_ARM: ascending by start and id; stays as the samples do */
} sg_command;

typedef struct {
    int64_t frame;
    int64_t requested;
    int64_t number; /* of the cue or the reply; negative: none */
    int32_t what;
    int32_t cut;
} sg_event;

typedef struct {
    int64_t frame; /* the callback's first */
    double at_s;   /* when it is heard, on sg_now_ns's clock */
} sg_observation;

typedef struct {
    int64_t callbacks;
    int64_t frames;
    int64_t underruns;
    int64_t over_period; /* callbacks that took longer than what they rendered lasts */
    int64_t smallest_block, largest_block;
    int64_t longest_ns;
    int64_t run_time[128]; /* callbacks by run time: bucket b ends at 2^(b / 4) * (1 + (b % 4 + 1) / 4.0) ns */
} sg_port_statistics;

typedef struct sg_mixer sg_mixer;
typedef struct sg_port sg_port;

/* A clock that never goes back, ns. */
int64_t sg_now_ns(void);

/* Return a new mixer, or NULL without memory. *reply_room*: frames, a power of two. */
sg_mixer *sg_new(int64_t preroll, int64_t stop_fade, int64_t reply_room);
void sg_free(sg_mixer *mixer);

/* The producer's side ------------------------------------------------------------------------------------------- */

/* Post *count* commands (none of them SG_WRITE); return how many found room. */
int32_t sg_post(sg_mixer *mixer, const sg_command *commands, int32_t count);
/* Copy reply audio; return how many frames found room, or -1 if the command itself found none. */
int64_t sg_write(sg_mixer *mixer, const float *samples, int64_t frames, int64_t reply);
/* Take up to *room* events; return how many. */
int32_t sg_take_events(sg_mixer *mixer, sg_event *events, int32_t room);
/* The process is alive: the mixer may play on by itself up to *horizon* (negative: for ever). */
void sg_attend(sg_mixer *mixer, int64_t horizon);
int64_t sg_position(const sg_mixer *mixer);
/* Frames of reply that were rendered, skipped or flushed. */
int64_t sg_reply_taken(const sg_mixer *mixer);
/* Commands that were obeyed; sg_write counts as one. */
int64_t sg_obeyed(const sg_mixer *mixer);
/* Which command, counted from 0, brought the sheet in force; -1: none yet. */
int64_t sg_sheet(const sg_mixer *mixer);
/* Note whether something waits on the producer's side for room in the rings. */
void sg_set_behind(sg_mixer *mixer, int32_t behind);
/* Return whether that was noted of any of *count* mixers. */
int32_t sg_any_behind(sg_mixer *const *mixers, int64_t count);
/* When the last command was posted. */
int64_t sg_posted_ns(const sg_mixer *mixer);

/* The consumer's side ------------------------------------------------------------------------------------------- */

void sg_render(sg_mixer *mixer, float *out, int64_t frames);
/* The same, but what was told waits: for sound that was previewed and sent before. */
void sg_go_on(sg_mixer *mixer, float *out, int64_t frames);
void sg_render_pcm16(sg_mixer *mixer, int16_t *out, int64_t frames);
/* Render *count* mixers; the samples of number i go to out + i * frames. NULL is silent. */
void sg_render_batch(sg_mixer *const *mixers, int64_t count, float *out, int64_t frames);
void sg_render_batch_pcm16(sg_mixer *const *mixers, int64_t count, int16_t *out, int64_t frames);
/* Fill *out* with what comes next if no more is said, and change nothing. Commands that wait are obeyed first. */
void sg_preview(sg_mixer *mixer, float *out, int64_t frames);
/* Return whether commands wait. */
int32_t sg_told(const sg_mixer *mixer);
void sg_skip_to(sg_mixer *mixer, int64_t frame);
/* Make room for more commands: obey those that wait. What they set off happens when the next frame is asked for. */
void sg_obey(sg_mixer *mixer);

/* The tap: what was rendered, block by block, for the producer's side --------------------------------------------- */

/* Begin to keep what is rendered; *room*: frames, a power of two. Return 0 without memory. Once in a mixer's life. */
int32_t sg_open_tap(sg_mixer *mixer, int64_t room);
/* Take up to *room* frames that follow each other. *frame*: the first one; *filler*: whether a filler sounded. */
int64_t sg_read_tap(sg_mixer *mixer, float *out, int64_t room, int64_t *frame, int32_t *filler);
/* Frames that were left out because nobody took them. */
int64_t sg_tap_lost(const sg_mixer *mixer);

/* A device --------------------------------------------------------------------------------------------------------- */

/* Return a port through which sg_callback renders *mixer*, or NULL without memory. It starts detached. */
sg_port *sg_new_port(sg_mixer *mixer, int32_t channels, int64_t rate);
void sg_free_port(sg_port *port);
/* What stands in where the device does not announce its latency. To be set before sg_attach. */
void sg_set_latency(sg_port *port, double latency_s);
void sg_attach(sg_port *port);
/* From now on the callback is silent and leaves the mixer alone. Return 0 if one is under way: ask again. */
int32_t sg_detach(sg_port *port);
/* Take up to *room* observations; return how many. */
int32_t sg_observations(sg_port *port, sg_observation *out, int32_t room);
/* How often the device asked while the port was attached. */
int64_t sg_callbacks(const sg_port *port);
void sg_statistics(const sg_port *port, sg_port_statistics *out);

typedef struct {
    double input_adc_s, current_s, output_dac_s;
} sg_time_info;

/* PortAudio's callback (PaStreamCallback); *port* is an sg_port. */
int sg_callback(const void *input, void *output, unsigned long frames, const sg_time_info *times, unsigned long flags,
                void *port);

#endif
