// Products of blocks that lie in the cache: rows of registers, columns a multiple of one.
//
// A number of the left factor is read wherever it lies, so that one that is transposed needs no copy. What is known to
// be zero in triangular factors is left out, by whole groups of rows.
#pragma once
#include "prefetch.h"
#include <utility>

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int64_t GROUP = 6;
#else
constexpr int64_t GROUP = 3;
#endif

struct Left { const real* at; int64_t row, column; };  // from one row to the next, from one column to the next
struct Range { int64_t from, to, columns; };           // of the sum, and how many columns of the result there are

template <int R, int Q>
static void tile(Left a, Range s, const real* w, int64_t ldw, real* c, int64_t ldc, real old) {
  vec sums[R][Q] = {};
  if (old)
    for (int r = 0; r < R; r++)
      for (int q = 0; q < Q; q++) sums[r][q] = old * Full{}.load(c + r * ldc + q * LANES);
  constexpr bool large = R == GROUP && Q == 4;  // in a smaller one lines would wait for one another
  Lines lines = large ? prefetch.next(w) : Lines{w, w, 0, false};
  for (int64_t i = s.from; i < s.to; i++) {
    if (large) lines.ask();
    vec row[Q];
#pragma GCC unroll 4
    for (int q = 0; q < Q; q++) row[q] = Full{}.load(w + i * ldw + q * LANES);
#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
      const vec x = splat(a.at[r * a.row + i * a.column]);
#pragma GCC unroll 4
      for (int q = 0; q < Q; q++) sums[r][q] += x * row[q];
    }
  }
  for (int r = 0; r < R; r++)
    for (int q = 0; q < Q; q++) Full{}.store(c + r * ldc + q * LANES, sums[r][q]);
}

template <int R>
static __attribute__((noinline)) void some_columns(Left a, Range s, const real* w, int64_t ldw, real* c, int64_t ldc,
                                                   real old) {
  int64_t rest = (s.columns + LANES - 1) / LANES;
  for (; rest >= 4; rest -= 4, w += PANEL, c += PANEL) tile<R, 4>(a, s, w, ldw, c, ldc, old);
  switch (rest) {
    case 3: return tile<R, 3>(a, s, w, ldw, c, ldc, old);
    case 2: return tile<R, 2>(a, s, w, ldw, c, ldc, old);
    case 1: return tile<R, 1>(a, s, w, ldw, c, ldc, old);
  }
}

// C = old · C + A · W; range(first, end) says for a group of rows what is not zero. Where old is 0, C is not read.
template <class F>
static void product(int64_t rows, Left a, const real* w, int64_t ldw, real* c, int64_t ldc, real old, F range) {
  for (int64_t i = 0; i < rows;) {
    const int64_t size = rows - i < GROUP ? rows - i : GROUP;
    const Left here{a.at + i * a.row, a.row, a.column};
    const Range s = range(i, i + size);
    real* to = c + i * ldc;
    switch (size) {
      case 6: some_columns<6>(here, s, w, ldw, to, ldc, old); break;
      case 5: some_columns<5>(here, s, w, ldw, to, ldc, old); break;
      case 4: some_columns<4>(here, s, w, ldw, to, ldc, old); break;
      case 3: some_columns<3>(here, s, w, ldw, to, ldc, old); break;
      case 2: some_columns<2>(here, s, w, ldw, to, ldc, old); break;
      default: some_columns<1>(here, s, w, ldw, to, ldc, old);
    }
    i += size;
  }
}

static inline void product(int64_t rows, Left a, const real* w, int64_t ldw, real* c, int64_t ldc, real old,
                           Range all) {
  product(rows, a, w, ldw, c, ldc, old, [&](int64_t, int64_t) { return all; });
}

// The first n lanes, then zeros.
INLINE vec first_lanes(int64_t n, vec x) {
  vec lane{};
  for (int64_t i = 0; i < LANES; i++) lane[i] = i;
  return lane < splat(n) ? x : vec{};
}

// y = x ⊙ factor, rows of whole registers.
static inline void multiply(int64_t columns, const real* x, const real* factor, real* y) {
  for (int64_t j = 0; j < columns; j += LANES) Full{}.store(y + j, Full{}.load(x + j) * Full{}.load(factor + j));
}

// y = factor · x, of any length.
static inline void scaled(int64_t columns, const real* x, real factor, real* y) {
  int64_t j = 0;
  for (; j + LANES <= columns; j += LANES) Full{}.store(y + j, Full{}.load(x + j) * factor);
  for (; j < columns; j++) y[j] = x[j] * factor;
}

static inline void scale_all(int64_t rows, int64_t columns, real* x, int64_t ld, real factor) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j += LANES) Full{}.store(x + i * ld + j, Full{}.load(x + i * ld + j) * factor);
}

static inline void scale_rows(int64_t rows, int64_t columns, real* x, int64_t ld, const real* factor) {
  for (int64_t i = 0; i < rows; i++) scale_all(1, columns, x + i * ld, ld, factor[i]);
}

// Σ x_j y_j by lanes; four sums, so that few operations wait for one another.
static inline vec products(int64_t n, const real* x, const real* y) {
  vec sums[4] = {};
  for (int64_t j = 0; j < n; j += PANEL)
    for (int64_t q = 0; q < 4 && j + q * LANES < n; q++)
      sums[q] += Full{}.load(x + j + q * LANES) * Full{}.load(y + j + q * LANES);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

#if defined(__clang__)
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, lane_numbers{__VA_ARGS__})
#endif

// Swaps the second half of each 2·HALF lanes of a with the first half of those of b.
template <int64_t HALF, size_t... L>
INLINE void cross(vec& a, vec& b, std::index_sequence<L...>) {
  typedef word lane_numbers __attribute__((vector_size(WIDTH)));
  const vec first = PICK(a, b, (L & HALF ? LANES + L - HALF : L)...);
  b = PICK(a, b, (L & HALF ? LANES + L : L + HALF)...);
  a = first;
}

template <int64_t HALF>
INLINE void turn(vec* rows) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < LANES; i++)
    if (!(i & HALF)) cross<HALF>(rows[i], rows[i + HALF], std::make_index_sequence<LANES>());
  if constexpr (HALF > 1) turn<HALF / 2>(rows);
}

// (rows, columns) to (columns, rows), both a multiple of a register.
static inline void transpose(int64_t rows, int64_t columns, const real* x, int64_t ldx, real* y, int64_t ldy) {
  for (int64_t i = 0; i < rows; i += LANES)
    for (int64_t j = 0; j < columns; j += LANES) {
      vec square[LANES];
      for (int64_t p = 0; p < LANES; p++) square[p] = Full{}.load(x + (i + p) * ldx + j);
      turn<LANES / 2>(square);
      for (int64_t p = 0; p < LANES; p++) Full{}.store(y + (j + p) * ldy + i, square[p]);
    }
}
