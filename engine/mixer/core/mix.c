/* What the schedule sounds like: the samples of one stretch within which nothing changes (`Mixer._mix`). */
#include <math.h>
#include <string.h>

#include "state.h"

static const float KNEE = 0.891f;
static const float QUARTER = 1.57079632679489661923f;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static float shaped(float share, bool linear) { return linear ? share : sinf(share * QUARTER); }

static float clipped(float share) { return share < 0.0f ? 0.0f : share > 1.0f ? 1.0f : share; }

/* Return whether any sum is louder than the limiter's knee. */
SG_WIDE static int add_scaled(float *restrict to, const float *restrict from, float gain, int64_t frames) {
    int loud = 0;
    for (int64_t i = 0; i < frames; i++) {
        to[i] += from[i] * gain;
        loud |= fabsf(to[i]) > KNEE;
    }
    return loud;
}

/* The voice's gain at *position*: its cue's, the fade in, the fade out. */
static float gain_at(const sg_voice *v, int64_t position) {
    const sg_cue *cue = v->cue;
    float gain = cue->gain;
    int64_t offset = position - v->start;
    if (offset < cue->fade_in) gain *= shaped(clipped((float)offset / (float)cue->fade_in), cue->spoken);
    if (v->end != SG_NEVER && (v->level < 1.0 || position > v->end - v->fade)) {
        float fade = (float)(v->fade > 0 ? v->fade : 1);
        gain *= shaped((float)v->level * clipped((float)(v->end - position) / fade), cue->spoken);
    }
    return gain;
}

/* The first frame from which on the gain is steady until the fade out, and where that begins. */
static void steady_part(const sg_voice *v, int64_t from, int64_t to, int64_t *first, int64_t *last) {
    *first = least(to, from > v->start + v->cue->fade_in ? from : v->start + v->cue->fade_in);
    *last = to;
    if (v->end == SG_NEVER) return;
    if (v->level < 1.0)
        *last = *first;
    else if (v->end - v->fade < to)
        *last = v->end - v->fade > *first ? v->end - v->fade : *first;
}

/* Return whether what sounds then is too loud anywhere. */
static int add_voice(const sg_voice *v, int64_t position, float *out, int64_t frames) {
    int loud = 0;
    const sg_cue *cue = v->cue;
    int64_t first, last, at = position - v->start;
    if (cue->loops) at %= cue->frames;
    steady_part(v, position, position + frames, &first, &last);
    for (int64_t done = 0; done < frames;) {
        int64_t here = position + done;
        bool steady = here >= first && here < last;
        int64_t until = here < first ? first : steady ? last : position + frames;
        int64_t run = least(until - here, cue->frames - at);
        const float *from = cue->samples + at;
        float *to = out + done;
        if (steady) {
            loud |= add_scaled(to, from, cue->gain, run);
        } else {
            for (int64_t i = 0; i < run; i++) {
                to[i] += from[i] * gain_at(v, here + i);
                loud |= fabsf(to[i]) > KNEE;
            }
        }
        done += run;
        at += run;
        if (at == cue->frames) at = 0;
    }
    return loud;
}

void sg_fetch_voices(const sg_state *s, int64_t frames) {
    for (int64_t i = 0; i < s->voice_count; i++) {
        const sg_cue *cue = s->voices[i].cue;
        int64_t at = (s->position - s->voices[i].start) % cue->frames, to = least(at + frames, cue->frames);
        for (; at < to; at += SG_LINE / (int64_t)sizeof(float)) SG_SOON(cue->samples + at);
    }
}

/* In pieces: C libraries switch to "rep movsb" from 2 KiB or so, which takes longer for what is in the caches. */
static void copy(float *to, const float *from, int64_t frames) {
    for (int64_t i = 0; i < frames; i += 256) memcpy(to + i, from + i, (size_t)least(256, frames - i) * sizeof(float));
}

/* Begin *out* with the reply, if it sounds; return how many frames of it there are. */
static int64_t put_reply(const sg_mixer *m, const sg_state *s, float *out, int64_t frames) {
    if (!s->reply_playing || s->held) return 0;
    int64_t count = least(frames, s->replies[0].queued), since = s->position - s->reply_resumed;
    int64_t at = s->reply_read & (m->reply_room - 1), before_wrap = least(count, m->reply_room - at);
    copy(out, m->reply + at, before_wrap);
    copy(out + before_wrap, m->reply, count - before_wrap);
    if (since < s->stop_fade)
        for (int64_t i = 0; i < count; i++) out[i] *= clipped((float)(since + i) / (float)s->stop_fade);
    return count;
}

/* y = knee + room u / (1 + u), u = (|x| - knee) / room: see _limiter.py. */
static void limit(float *out, int64_t frames) {
    const float room = 1.0f - KNEE;
    for (int64_t i = 0; i < frames; i++) {
        float loud = fabsf(out[i]);
        if (loud <= KNEE) continue;
        float u = (loud - KNEE) / room;
        out[i] = copysignf(KNEE + room * (u / (1.0f + u)), out[i]);
    }
}

SG_WIDE static void scale_to_pcm16(const float *samples, int16_t *out, int64_t frames) {
    for (int64_t i = 0; i < frames; i++) out[i] = (int16_t)(samples[i] * 32767.0f);
}

SG_WIDE static int any_beyond(const float *samples, int64_t frames) {
    int any = 0;
    for (int64_t i = 0; i < frames; i++) any |= fabsf(samples[i]) > 1.0f;
    return any;
}

void sg_to_pcm16(float *samples, bool limited, int16_t *out, int64_t frames) {
    if (!limited && any_beyond(samples, frames))
        for (int64_t i = 0; i < frames; i++)
            samples[i] = samples[i] < -1.0f ? -1.0f : samples[i] > 1.0f ? 1.0f : samples[i];
    scale_to_pcm16(samples, out, frames);
}

void sg_mix(const sg_mixer *m, sg_state *s, float *out, int64_t frames) {
    int64_t tail = s->tail_start + s->tail_frames - s->position;
    int64_t begun = put_reply(m, s, out, frames);
    memset(out + begun, 0, (size_t)(frames - begun) * sizeof(float));
    int loud = 0; /* of the last sum */
    for (int64_t i = 0; i < s->voice_count; i++) loud = add_voice(&s->voices[i], s->position, out, frames);
    if (tail > 0) loud |= add_scaled(out, m->tail + (s->position - s->tail_start), 1.0f, least(tail, frames));
    if (loud) limit(out, s->voice_count ? frames : least(tail, frames));
}

/* The reply stops here: keep its next frames, fading, on top of what still fades of an earlier stop. */
void sg_keep_tail(sg_mixer *m) {
    sg_state *s = &m->state;
    if (!s->reply_playing || s->held) return;
    int64_t old = s->tail_start + s->tail_frames - s->position, skip = s->position - s->tail_start;
    int64_t count = least(s->stop_fade, sg_reply_queued(s)), frames = count > old ? count : old;
    double level = (double)(s->position - s->reply_resumed) / (double)s->stop_fade;
    for (int64_t i = 0; i < frames; i++) {
        float sum = i < old ? m->tail[i + skip] : 0.0f;
        if (i < count) {
            float fading = (float)(1.0 - (double)i / (double)count) * (float)(level < 1.0 ? level : 1.0);
            sum += m->reply[(s->reply_read + i) & (m->reply_room - 1)] * fading;
        }
        m->tail[i] = sum;
    }
    s->tail_start = s->position;
    s->tail_frames = frames > 0 ? frames : 0;
}
