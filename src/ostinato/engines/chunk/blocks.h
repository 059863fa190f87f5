// Products of blocks that lie in the cache: rows of registers, columns a multiple of one.
//
// A number of the left factor is read wherever it lies, so that one that is transposed needs no copy. What is known to
// be zero in triangular factors is left out, by whole groups of rows.
#pragma once
#include "prefetch.h"
#include <algorithm>
#include <utility>

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int64_t GROUP = 6;
#else
constexpr int64_t GROUP = 3;
#endif

struct Left { const real* at; int64_t row, column; };  // from one row to the next, from one column to the next

// A · W over some columns of A; behind it all that was summed so far is multiplied row by row, if there is a factor.
struct Term { Left a; const real* w; int64_t ldw, from, to; const real* factor = nullptr; };

// What is added up for a group of rows, and of how many columns.
struct Terms {
  static constexpr int64_t ALL = INT64_MAX;
  Term each[3];
  int64_t count, columns = ALL;
  Terms(const Term& a, int64_t columns = ALL) : each{a}, count(1), columns(columns) {}
  Terms(const Term& a, const Term& b) : each{a, b}, count(2) {}
  Terms(const Term& a, const Term& b, const Term& c) : each{a, b, c}, count(3) {}
};

// To what stands there, times a factor for each row, if there is one, it is added.
struct Result { real* at; int64_t ld, columns; const real* old = nullptr; int64_t step = 0; };
constexpr real ONE_TIME = 1;

// Whether lines are asked for on the way: in a smaller tile they would wait for one another.
template <int R, int Q>
constexpr bool ASKS = Q == 4 && 3 * R >= 2 * GROUP;

template <int R, int Q>
INLINE void add(const Term& t, int64_t from, int64_t to, int64_t j, Lines& lines, vec (&sums)[R][Q]) {
  const real *x = t.a.at + from * t.a.column, *w = t.w + from * t.ldw + j;
  for (int64_t i = from; i < to; i++, x += t.a.column, w += t.ldw) {
    if (ASKS<R, Q>) lines.ask();
    vec row[Q];
#pragma GCC unroll 4
    for (int q = 0; q < Q; q++) row[q] = Full{}.load(w + q * LANES);
#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
      const vec number = splat(x[r * t.a.row]);
#pragma GCC unroll 4
      for (int q = 0; q < Q; q++) sums[r][q] += number * row[q];
    }
  }
}

template <int R, int Q, class F>
INLINE void every(vec (&sums)[R][Q], F f) {
#pragma GCC unroll 6
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int q = 0; q < Q; q++) f(sums[r][q], r, q * LANES);
}

// Columns from j on.
template <int R, int Q>
INLINE void tile(const Terms& terms, int64_t j, const Result& c, Prefetch& prefetch) {
  vec sums[R][Q] = {};
  for (int64_t k = 0; k < terms.count; k++) {
    const Term t = terms.each[k];
    for (int64_t i = t.from, end; i < t.to; i = end) {
      Lines own{t.w, 0, t.to}, &lines = ASKS<R, Q> ? prefetch.next(own) : own, here = lines;
      end = std::min(t.to, i + here.count);
      add<R, Q>(t, i, end, j, here, sums);
      lines.at = here.at, lines.count = here.count;
    }
    if (t.factor) every(sums, [&](vec& sum, int64_t r, int64_t) { sum *= t.factor[r]; });
  }
  const auto place = [&](int64_t r, int64_t q) { return c.at + r * c.ld + j + q; };
  if (c.old) every(sums, [&](vec& sum, int64_t r, int64_t q) { sum += c.old[r * c.step] * Full{}.load(place(r, q)); });
  every(sums, [&](vec& sum, int64_t r, int64_t q) { Full{}.store(place(r, q), sum); });
}

template <int R>
static __attribute__((noinline)) void some_rows(const Terms& terms, const Result& c, Prefetch& prefetch) {
  int64_t j = 0, rest = (c.columns + LANES - 1) / LANES;
  for (; rest >= 4; rest -= 4, j += PANEL) tile<R, 4>(terms, j, c, prefetch);
  switch (rest) {
    case 3: return tile<R, 3>(terms, j, c, prefetch);
    case 2: return tile<R, 2>(terms, j, c, prefetch);
    case 1: return tile<R, 1>(terms, j, c, prefetch);
  }
}

struct Products {
  Prefetch prefetch;  // outside it would have to be found for each product, where registers are scarce

  // Rows in groups: of(first, end) says what is added up for one.
  template <class F>
  void product(int64_t rows, Result c, F of) {
    for (int64_t i = 0, end; i < rows; i = end) {
      end = std::min(i + GROUP, rows);
      const Terms terms = of(i, end);
      const Result here{c.at + i * c.ld, c.ld, std::min(c.columns, terms.columns), c.old + i * c.step, c.step};
      switch (end - i) {
        case 6: some_rows<6>(terms, here, prefetch); break;
        case 5: some_rows<5>(terms, here, prefetch); break;
        case 4: some_rows<4>(terms, here, prefetch); break;
        case 3: some_rows<3>(terms, here, prefetch); break;
        case 2: some_rows<2>(terms, here, prefetch); break;
        default: some_rows<1>(terms, here, prefetch);
      }
    }
  }
};

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

// A square of registers; the rows that are not there are zeros.
template <class L>
INLINE void transpose_square(L lane, int64_t count, const real* x, int64_t ldx, real* y, int64_t ldy) {
  vec square[LANES];
#pragma GCC unroll 16
  for (int64_t p = 0; p < LANES; p++) square[p] = p < count ? lane.load(x + p * ldx) : vec{};
  turn<LANES / 2>(square);
#pragma GCC unroll 16
  for (int64_t p = 0; p < LANES; p++) Full{}.store(y + p * ldy, square[p]);
}

// (rows, columns) to (columns, rows), of any size, filled up with zeros to whole registers.
static void transpose(int64_t rows, int64_t columns, const real* x, int64_t ldx, real* y, int64_t ldy) {
  for (int64_t i = 0; i < rows; i += LANES)
    for (int64_t j = 0; j < columns; j += LANES) {
      const real* from = x + i * ldx + j;
      real* to = y + j * ldy + i;
      if (rows - i >= LANES && columns - j >= LANES) transpose_square(Full{}, LANES, from, ldx, to, ldy);
      else transpose_square(Part{std::min(LANES, columns - j)}, rows - i, from, ldx, to, ldy);
    }
}

// Of every row Σ_j x_ij y_ij; y and what is put out have whole registers.
static void row_products(int64_t rows, int64_t columns, const real* x, int64_t ldx, const real* y, int64_t ldy,
                         real* to) {
  for (int64_t i = 0; i < rows; i += LANES) {
    vec sums[LANES] = {};
    for (int64_t p = 0; p < std::min(LANES, rows - i); p++) {
      const real *a = x + (i + p) * ldx, *b = y + (i + p) * ldy;
      int64_t j = 0;
      for (; j + LANES <= columns; j += LANES) sums[p] += Full{}.load(a + j) * Full{}.load(b + j);
      if (j < columns) sums[p] += Part{columns - j}.load(a + j) * Full{}.load(b + j);
    }
    turn<LANES / 2>(sums);
    for (int64_t p = 1; p < LANES; p++) sums[0] += sums[p];
    Full{}.store(to + i, sums[0]);
  }
}
