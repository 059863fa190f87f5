// Products of matrices, built on one block: 6 rows × 4 registers of sums that stay in registers
// where there are 32 of them, 2 rows × 4 where there are 16.
#pragma once
#include "vector.h"

constexpr int64_t PANEL = 4 * LANES;
constexpr int64_t BLOCK = WIDTH == 64 ? 6 : 2;

// Four registers of a row of the right-hand side; PART: only so many of its columns exist.
template <bool PART>
INLINE void take(const real* w, int64_t columns, vec* out) {
#pragma GCC unroll 4
  for (int64_t q = 0; q < 4; q++) {
    if (!PART || columns >= (q + 1) * LANES) out[q] = Full{}.load(w + q * LANES);
    else out[q] = columns > q * LANES ? Part{columns - q * LANES}.load(w + q * LANES) : vec{};
  }
}

INLINE void put(real* c, const vec* sums, int64_t columns) {
  for (int64_t q = 0; q < 4; q++, columns -= LANES) {
    if (columns >= LANES) Full{}.store(c + q * LANES, sums[q]);
    else if (columns > 0) Part{columns}.store(c + q * LANES, sums[q]);
  }
}

// C (ROWS, columns) = A · W, W one panel; sums begin at `bias` if there is one.
template <int64_t ROWS>
INLINE void block(const real* a, int64_t lda, const real* w, int64_t k, real* c, int64_t ldc,
                  int64_t columns, const real* bias = nullptr) {
  vec sums[ROWS][4] = {};
  if (bias) {
    vec start[4];
    take<true>(bias, columns, start);
    for (int64_t r = 0; r < ROWS; r++)
      for (int64_t q = 0; q < 4; q++) sums[r][q] = start[q];
  }
  for (int64_t i = 0; i < k; i++, w += PANEL) {
    vec row[4];
    take<false>(w, columns, row);
#pragma GCC unroll 8
    for (int64_t r = 0; r < ROWS; r++) {
      const vec x = splat(a[r * lda + i]);
      sums[r][0] += x * row[0];
      sums[r][1] += x * row[1];
      sums[r][2] += x * row[2];
      sums[r][3] += x * row[3];
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < ROWS; r++) {
    const vec out[4] = {sums[r][0], sums[r][1], sums[r][2], sums[r][3]};
    put(c + r * ldc, out, columns);
  }
}

// One row of A and one panel of W: two chains of sums hide the latency of the multiply-add.
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

// Some rows of A and one panel of W. Rows are shared out evenly: 8 as 4 and 4, not 6 and 2,
// since a small block has too few sums to hide the latency of a multiply-add.
INLINE void some_rows(int64_t rows, const real* a, int64_t lda, const real* w, int64_t k, real* c,
                      int64_t ldc, int64_t columns, const real* bias) {
  while (rows > 0) {
    const int64_t even = rows > BLOCK && rows < 2 * BLOCK ? (rows + 1) / 2 : rows;
    const int64_t size = even < BLOCK ? even : BLOCK;
    switch (size) {
      case 6: block<6>(a, lda, w, k, c, ldc, columns, bias); break;
      case 5: block<5>(a, lda, w, k, c, ldc, columns, bias); break;
      case 4: block<4>(a, lda, w, k, c, ldc, columns, bias); break;
      case 3: block<3>(a, lda, w, k, c, ldc, columns, bias); break;
      case 2: block<2>(a, lda, w, k, c, ldc, columns, bias); break;
      default: block<1>(a, lda, w, k, c, ldc, columns, bias);
    }
    rows -= size;
    a += size * lda;
    c += size * ldc;
  }
}

// C (rows, n) = A (rows, k) · W (k, n), with W packed into panels of 4 registers: a panel holds
// its columns row by row, and the last one is filled up with zeros.
static __attribute__((noinline)) void matmul(int64_t rows, int64_t k, int64_t n, const real* a,
                                             int64_t lda, const real* w, real* c, int64_t ldc) {
  for (int64_t j = 0; j < n; j += PANEL, w += k * PANEL) {
    if (rows == 1) single(a, w, k, c + j, n - j);
    else some_rows(rows, a, lda, w, k, c + j, ldc, n - j, nullptr);
  }
}

// C (rows, n) = A (rows, k) · W (k, n) + bias for many rows: a slab of them stays in the cache
// while all panels of W pass by.
static void product(int64_t begin, int64_t end, int64_t k, int64_t n, const real* a, int64_t lda,
                    const real* w, const real* bias, real* c) {
  const int64_t slab = 16 * BLOCK;
  for (int64_t first = begin; first < end; first += slab) {
    const int64_t last = first + slab < end ? first + slab : end;
    const real* panel = w;
    for (int64_t j = 0; j < n; j += PANEL, panel += k * PANEL) {
      const real* start = bias ? bias + j : nullptr;
      some_rows(last - first, a + first * lda, lda, panel, k, c + first * n + j, n, n - j, start);
    }
  }
}
