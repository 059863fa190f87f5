// A team of threads that goes through time together, each with its share of the columns.
//
// TEAM 0: one thread, which has them all. Generated code is the same for both.
#pragma once
#include "vector.h"

#define LEADER if (member == 0)

#if TEAM
#include <sched.h>

#include <atomic>

// Three lines of the cache: who waits reads one that nobody writes until all are there.
struct Team {
  std::atomic<int64_t> arrived;
  int64_t apart[7];
  std::atomic<int64_t> round;
  int64_t further[7];
  int64_t size;
  real* memory;
};

static inline void rest() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Wait for all members. Who waits long lets others run: there may be fewer cores than members.
static void meet(Team* team) {
  const int64_t round = team->round.load(std::memory_order_acquire);
  if (team->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == team->size) {
    team->arrived.store(0, std::memory_order_relaxed);
    team->round.store(round + 1, std::memory_order_release);
    return;
  }
  for (int64_t spins = 0; team->round.load(std::memory_order_acquire) == round; spins++) {
    rest();
    if (spins > 4096) sched_yield();
  }
}

#define SYNC meet(team);
#define FROM(n) border(n, LANES, member, team->size)
#define TO(n) border(n, LANES, member + 1, team->size)

// Where the share of a member begins: whole registers, or whole panels.
INLINE int64_t border(int64_t n, int64_t unit, int64_t member, int64_t size) {
  const int64_t first = (n + unit - 1) / unit * member / size * unit;
  return first < n ? first : n;
}
#else
struct Team {};
#define SYNC
#define FROM(n) 0
#define TO(n) n
#endif

// Set once the unit is loaded; matmul.h says what they do.
extern "C" {
void (*matmul)(int64_t rows, int64_t k, int64_t n, const real* a, int64_t lda, const real* w,
               real* c, int64_t ldc, const real* start, int64_t lds);
void (*outer)(int64_t steps, int64_t rows, int64_t k, int64_t n, const real* a, int64_t ta,
              int64_t ra, const real* b, int64_t tb, int64_t rb, real* c, int64_t ldc);
}

INLINE void matmul_share(Team* team, int64_t member, int64_t rows, int64_t k, int64_t n,
                         const real* a, int64_t lda, const real* w, real* c, int64_t ldc,
                         const real* start, int64_t lds) {
#if TEAM
  const int64_t j = border(n, PANEL, member, team->size);
  n = border(n, PANEL, member + 1, team->size) - j;
  if (n == 0) return;
  w += j * k;
  c += j;
  if (start) start += j;
#endif
  matmul(rows, k, n, a, lda, w, c, ldc, start, lds);
}

INLINE void outer_share(Team* team, int64_t member, int64_t steps, int64_t rows, int64_t k,
                        int64_t n, const real* a, int64_t ta, int64_t ra, const real* b,
                        int64_t tb, int64_t rb, real* c) {
  const int64_t all = n;
#if TEAM
  const int64_t j = border(n, PANEL, member, team->size);
  n = border(n, PANEL, member + 1, team->size) - j;
  if (n == 0) return;
  b += j;
  c += j;
#endif
  outer(steps, rows, k, n, a, ta, ra, b, tb, rb, c, all);
}
