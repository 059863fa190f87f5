// Products of blocks that lie in the cache: rows of registers, columns a multiple of one.
//
// A number of the left factor is read wherever it lies, so that one that is transposed needs no copy. What is known to
// be zero in triangular factors is left out, by whole groups of rows.
#pragma once
#include "vector.h"

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int64_t GROUP = 6;
#else
constexpr int64_t GROUP = 3;
#endif

struct Left { const real* at; int64_t row, column; };  // from one row to the next, from one column to the next
struct Range { int64_t from, to, columns; };           // of the sum, and how many columns of the result there are

template <int R, int Q>
static void tile(Left a, Range s, const real* w, int64_t ldw, real* c, int64_t ldc, bool add) {
  vec sums[R][Q] = {};
  if (add)
    for (int r = 0; r < R; r++)
      for (int q = 0; q < Q; q++) sums[r][q] = Full{}.load(c + r * ldc + q * LANES);
  for (int64_t i = s.from; i < s.to; i++) {
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
static void some_columns(Left a, Range s, const real* w, int64_t ldw, real* c, int64_t ldc, bool add) {
  int64_t rest = (s.columns + LANES - 1) / LANES;
  for (; rest >= 4; rest -= 4, w += PANEL, c += PANEL) tile<R, 4>(a, s, w, ldw, c, ldc, add);
  switch (rest) {
    case 3: return tile<R, 3>(a, s, w, ldw, c, ldc, add);
    case 2: return tile<R, 2>(a, s, w, ldw, c, ldc, add);
    case 1: return tile<R, 1>(a, s, w, ldw, c, ldc, add);
  }
}

// C = A · W, or C += A · W; range(first, end) says for a group of rows what is not zero.
template <class F>
static void product(int64_t rows, Left a, const real* w, int64_t ldw, real* c, int64_t ldc, bool add, F range) {
  for (int64_t i = 0; i < rows;) {
    const int64_t size = rows - i < GROUP ? rows - i : GROUP;
    const Left here{a.at + i * a.row, a.row, a.column};
    const Range s = range(i, i + size);
    real* to = c + i * ldc;
    switch (size) {
      case 6: some_columns<6>(here, s, w, ldw, to, ldc, add); break;
      case 5: some_columns<5>(here, s, w, ldw, to, ldc, add); break;
      case 4: some_columns<4>(here, s, w, ldw, to, ldc, add); break;
      case 3: some_columns<3>(here, s, w, ldw, to, ldc, add); break;
      case 2: some_columns<2>(here, s, w, ldw, to, ldc, add); break;
      default: some_columns<1>(here, s, w, ldw, to, ldc, add);
    }
    i += size;
  }
}

static inline void scale_rows(int64_t rows, int64_t columns, real* x, int64_t ld, const real* factor) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j += LANES) Full{}.store(x + i * ld + j, Full{}.load(x + i * ld + j) * factor[i]);
}

static inline void scale_all(int64_t rows, int64_t columns, real* x, int64_t ld, real factor) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j += LANES) Full{}.store(x + i * ld + j, Full{}.load(x + i * ld + j) * factor);
}

static inline real dot(int64_t n, const real* x, const real* y) {
  vec sum{};
  for (int64_t j = 0; j < n; j += LANES) sum += Full{}.load(x + j) * Full{}.load(y + j);
  return lanes_sum(sum);
}

// (rows, columns) to (columns, rows), in squares that stay in registers.
static inline void transpose(int64_t rows, int64_t columns, const real* x, int64_t ldx, real* y, int64_t ldy) {
  constexpr int64_t SQUARE = LANES < 8 ? LANES : 8;
  for (int64_t i = 0; i < rows; i += SQUARE)
    for (int64_t j = 0; j < columns; j += SQUARE)
      for (int64_t p = 0; p < SQUARE; p++)
        for (int64_t q = 0; q < SQUARE; q++) y[(j + p) * ldy + i + q] = x[(i + q) * ldx + j + p];
}
