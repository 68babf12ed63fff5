/* What the three programs share: a check that says where it failed, and a generator of numbers. */
#ifndef STOPGAP_EXPECT_H
#define STOPGAP_EXPECT_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECT(that)                                                                \
    do {                                                                            \
        if (!(that)) {                                                              \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #that);       \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* xorshift64*; the state must not be 0. */
static inline uint64_t random_bits(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

/* 0 <= x < below */
static inline int64_t random_below(uint64_t *state, int64_t below) {
    return (int64_t)(random_bits(state) >> 33) % below;
}

#endif
