// C (rows, n) = A (rows, k) · W (k, n), with W packed into panels of 4 registers.
//
// A panel holds its columns row by row, so a step of k reads 4 registers in sequence; the last
// panel is filled up with zeros. 6 rows × 4 registers of sums stay in registers where there are
// 32 of them, 2 rows × 4 where there are 16.
#pragma once
#include "vector.h"

constexpr int64_t PANEL = 4 * LANES;
constexpr int64_t BLOCK = WIDTH == 64 ? 6 : 2;

INLINE void put(real* c, const vec* sums, int64_t columns) {
  for (int64_t q = 0; q < 4; q++, columns -= LANES) {
    if (columns >= LANES) Full{}.store(c + q * LANES, sums[q]);
    else if (columns > 0) Part{columns}.store(c + q * LANES, sums[q]);
  }
}

template <int64_t ROWS>
INLINE void block(const real* a, int64_t lda, const real* w, int64_t k, real* c, int64_t ldc,
                  int64_t columns) {
  vec sums[ROWS][4] = {};
  for (int64_t i = 0; i < k; i++, w += PANEL) {
    const vec w0 = Full{}.load(w), w1 = Full{}.load(w + LANES);
    const vec w2 = Full{}.load(w + 2 * LANES), w3 = Full{}.load(w + 3 * LANES);
#pragma GCC unroll 8
    for (int64_t r = 0; r < ROWS; r++) {
      const vec x = splat(a[r * lda + i]);
      sums[r][0] += x * w0;
      sums[r][1] += x * w1;
      sums[r][2] += x * w2;
      sums[r][3] += x * w3;
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < ROWS; r++) {
    if (columns >= PANEL) {
      Full{}.store(c + r * ldc, sums[r][0]);
      Full{}.store(c + r * ldc + LANES, sums[r][1]);
      Full{}.store(c + r * ldc + 2 * LANES, sums[r][2]);
      Full{}.store(c + r * ldc + 3 * LANES, sums[r][3]);
    } else {
      const vec copy[4] = {sums[r][0], sums[r][1], sums[r][2], sums[r][3]};
      put(c + r * ldc, copy, columns);
    }
  }
}

// One row: two chains of sums hide the latency of the multiply-add.
INLINE void single(const real* a, const real* w, int64_t k, real* c, int64_t columns) {
  vec s0{}, s1{}, s2{}, s3{}, t0{}, t1{}, t2{}, t3{};
  int64_t i = 0;
  for (; i + 2 <= k; i += 2, w += 2 * PANEL) {
    const vec x = splat(a[i]), y = splat(a[i + 1]);
    s0 += x * Full{}.load(w);
    s1 += x * Full{}.load(w + LANES);
    s2 += x * Full{}.load(w + 2 * LANES);
    s3 += x * Full{}.load(w + 3 * LANES);
    t0 += y * Full{}.load(w + 4 * LANES);
    t1 += y * Full{}.load(w + 5 * LANES);
    t2 += y * Full{}.load(w + 6 * LANES);
    t3 += y * Full{}.load(w + 7 * LANES);
  }
  if (i < k) {
    const vec x = splat(a[i]);
    s0 += x * Full{}.load(w);
    s1 += x * Full{}.load(w + LANES);
    s2 += x * Full{}.load(w + 2 * LANES);
    s3 += x * Full{}.load(w + 3 * LANES);
  }
  const vec sums[4] = {s0 + t0, s1 + t1, s2 + t2, s3 + t3};
  put(c, sums, columns);
}

static void matmul(int64_t rows, int64_t k, int64_t n, const real* a, int64_t lda, const real* w,
                   real* c, int64_t ldc) {
  for (int64_t j = 0; j < n; j += PANEL, w += k * PANEL) {
    int64_t r = 0;
    for (; r + BLOCK <= rows; r += BLOCK)
      block<BLOCK>(a + r * lda, lda, w, k, c + r * ldc + j, ldc, n - j);
    for (; r + 2 <= rows; r += 2) block<2>(a + r * lda, lda, w, k, c + r * ldc + j, ldc, n - j);
    for (; r < rows; r++) single(a + r * lda, w, k, c + r * ldc + j, n - j);
  }
}
