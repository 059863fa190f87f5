// Products of matrices, built on one block: 6 rows × 4 registers of sums that stay in registers
// where there are 32 of them, 3 rows × 4 where there are 16. Compiled once for each precision;
// generated code calls it through a pointer.
#pragma once
#include "vector.h"

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int64_t BLOCK = 6;
#else
constexpr int64_t BLOCK = 3;
#endif

// Four registers of a row of the right-hand side; PART: only so many of its columns exist.
template <bool PART>
INLINE void take(const real* w, int64_t columns, vec* out) {
#pragma GCC unroll 4
  for (int64_t q = 0; q < 4; q++) {
    if (!PART || columns >= (q + 1) * LANES) out[q] = Full{}.load(w + q * LANES);
    else out[q] = columns > q * LANES ? Part{columns - q * LANES}.load(w + q * LANES) : vec{};
  }
}

template <bool PART>
INLINE void put(real* c, const vec* sums, int64_t columns) {
#pragma GCC unroll 4
  for (int64_t q = 0; q < 4; q++, columns -= LANES) {
    if (!PART || columns >= LANES) Full{}.store(c + q * LANES, sums[q]);
    else if (columns > 0) Part{columns}.store(c + q * LANES, sums[q]);
  }
}

// C (ROWS, columns) = start + A · W, W one panel, row r of A at a + r * lda. No start: zeros.
template <int64_t ROWS, bool PART>
INLINE void block(const real* a, int64_t lda, const real* w, int64_t k, real* c, int64_t ldc,
                  int64_t columns, const real* start, int64_t lds) {
  vec sums[ROWS][4] = {};
  if (start) {
#pragma GCC unroll 8
    for (int64_t r = 0; r < ROWS; r++) take<PART>(start + r * lds, columns, sums[r]);
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
  for (int64_t r = 0; r < ROWS; r++) put<PART>(c + r * ldc, sums[r], columns);
}

// One row of A and one panel of W: two chains of sums hide the latency of the multiply-add.
template <bool PART>
INLINE void single(const real* a, const real* w, int64_t k, real* c, int64_t columns,
                   const real* start) {
  vec s[4] = {}, t[4] = {};
  if (start) take<PART>(start, columns, s);
  int64_t i = 0;
  for (; i + 2 <= k; i += 2, w += 2 * PANEL) {
    const vec x = splat(a[i]), y = splat(a[i + 1]);
#pragma GCC unroll 4
    for (int64_t q = 0; q < 4; q++) {
      s[q] += x * Full{}.load(w + q * LANES);
      t[q] += y * Full{}.load(w + PANEL + q * LANES);
    }
  }
  if (i < k) {
    const vec x = splat(a[i]);
    for (int64_t q = 0; q < 4; q++) s[q] += x * Full{}.load(w + q * LANES);
  }
  for (int64_t q = 0; q < 4; q++) s[q] += t[q];
  put<PART>(c, s, columns);
}

// The rows of one panel in blocks of nearly even size.
template <bool PART>
INLINE void some_rows(int64_t rows, const real* a, int64_t lda, const real* w, int64_t k, real* c,
                      int64_t ldc, int64_t columns, const real* start, int64_t lds) {
  while (rows > 0) {
    const int64_t even = rows < 2 * BLOCK ? (rows + 1) / 2 : rows;
    const int64_t size = rows <= BLOCK ? rows : even < BLOCK ? even : BLOCK;
    switch (size) {
      case 6: block<6, PART>(a, lda, w, k, c, ldc, columns, start, lds); break;
      case 5: block<5, PART>(a, lda, w, k, c, ldc, columns, start, lds); break;
      case 4: block<4, PART>(a, lda, w, k, c, ldc, columns, start, lds); break;
      case 3: block<3, PART>(a, lda, w, k, c, ldc, columns, start, lds); break;
      case 2: block<2, PART>(a, lda, w, k, c, ldc, columns, start, lds); break;
      default: single<PART>(a, w, k, c, columns, start);
    }
    rows -= size;
    a += size * lda;
    c += size * ldc;
    if (start) start += size * lds;
  }
}

// C (rows, n) = start + A (rows, k) · W (k, n), with W packed into panels of 4 registers: a panel
// holds its columns row by row, and the last one is filled up with zeros.
extern "C" void matmul(int64_t rows, int64_t k, int64_t n, const real* a, int64_t lda,
                       const real* w, real* c, int64_t ldc, const real* start, int64_t lds) {
  int64_t j = 0;
  for (; j + PANEL <= n; j += PANEL, w += k * PANEL)
    some_rows<false>(rows, a, lda, w, k, c + j, ldc, n - j, start ? start + j : start, lds);
  if (j < n) some_rows<true>(rows, a, lda, w, k, c + j, ldc, n - j, start ? start + j : start, lds);
}

// C (ROWS, columns) += Σ over steps t and rows r of A(t, r)ᵀ · B(t, r).
template <int64_t ROWS, bool PART>
INLINE void outer_block(int64_t steps, int64_t rows, const real* a, int64_t ta, int64_t ra,
                        const real* b, int64_t tb, int64_t rb, real* c, int64_t ldc,
                        int64_t columns) {
  vec sums[ROWS][4];
#pragma GCC unroll 8
  for (int64_t i = 0; i < ROWS; i++) take<PART>(c + i * ldc, columns, sums[i]);
  for (int64_t t = 0; t < steps; t++) {
    const real *x = a + t * ta, *y = b + t * tb;
    for (int64_t r = 0; r < rows; r++, x += ra, y += rb) {
      vec row[4];
      take<PART>(y, columns, row);
#pragma GCC unroll 8
      for (int64_t i = 0; i < ROWS; i++) {
        const vec u = splat(x[i]);
        sums[i][0] += u * row[0];
        sums[i][1] += u * row[1];
        sums[i][2] += u * row[2];
        sums[i][3] += u * row[3];
      }
    }
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < ROWS; i++) put<PART>(c + i * ldc, sums[i], columns);
}

template <bool PART>
INLINE void outer_panel(int64_t steps, int64_t rows, int64_t k, const real* a, int64_t ta,
                        int64_t ra, const real* b, int64_t tb, int64_t rb, real* c, int64_t ldc,
                        int64_t columns) {
  for (int64_t i = 0; i < k;) {
    const int64_t rest = k - i, size = rest < BLOCK ? rest : BLOCK;
    const real* x = a + i;
    real* to = c + i * ldc;
    switch (size) {
      case 6: outer_block<6, PART>(steps, rows, x, ta, ra, b, tb, rb, to, ldc, columns); break;
      case 5: outer_block<5, PART>(steps, rows, x, ta, ra, b, tb, rb, to, ldc, columns); break;
      case 4: outer_block<4, PART>(steps, rows, x, ta, ra, b, tb, rb, to, ldc, columns); break;
      case 3: outer_block<3, PART>(steps, rows, x, ta, ra, b, tb, rb, to, ldc, columns); break;
      case 2: outer_block<2, PART>(steps, rows, x, ta, ra, b, tb, rb, to, ldc, columns); break;
      default: outer_block<1, PART>(steps, rows, x, ta, ra, b, tb, rb, to, ldc, columns);
    }
    i += size;
  }
}

// C (k, n) += Σ over steps t and rows r of A(t, r) (k)ᵀ · B(t, r) (n).
extern "C" void outer(int64_t steps, int64_t rows, int64_t k, int64_t n, const real* a, int64_t ta,
                      int64_t ra, const real* b, int64_t tb, int64_t rb, real* c, int64_t ldc) {
  int64_t j = 0;
  for (; j + PANEL <= n; j += PANEL)
    outer_panel<false>(steps, rows, k, a, ta, ra, b + j, tb, rb, c + j, ldc, PANEL);
  if (j < n) outer_panel<true>(steps, rows, k, a, ta, ra, b + j, tb, rb, c + j, ldc, n - j);
}

// W (k, n), with any strides, as panels; the columns that the last one lacks are zeros.
extern "C" void pack(int64_t k, int64_t n, const real* w, int64_t row, int64_t column, real* panel) {
  for (int64_t j = 0; j < n; j += PANEL, panel += k * PANEL) {
    const int64_t columns = n - j < PANEL ? n - j : PANEL;
    // Along the axis whose elements lie side by side.
    if (column == 1) {
      for (int64_t i = 0; i < k; i++) {
        std::memcpy(panel + i * PANEL, w + i * row + j, columns * sizeof(real));
        std::memset(panel + i * PANEL + columns, 0, (PANEL - columns) * sizeof(real));
      }
    } else {
      std::memset(panel, 0, k * PANEL * sizeof(real));
      for (int64_t first = 0; first < k; first += 16) {
        const int64_t last = first + 16 < k ? first + 16 : k;
        for (int64_t q = 0; q < columns; q++)
          for (int64_t i = first; i < last; i++)
            panel[i * PANEL + q] = w[i * row + (j + q) * column];
      }
    }
  }
}

extern "C" int64_t register_bytes() { return WIDTH; }
