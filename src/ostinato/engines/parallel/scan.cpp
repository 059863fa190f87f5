// h_t = A_t h_{t−1} + b_t, step after step, over many units at once.
//
// What stands before this text says what is computed: `real` is float or double, COMPLEX 0 or 1, and SIZE the number S
// of channels in a unit, or 0 where S is known at run time only. A_t is an S×S matrix for every unit. MATRIX and VECTOR
// say how matrices and vectors lie, as a Place, and GRADIENT whether products of states are put out too.
//
// Units are numbered through rows. Time is the outer loop over a group of units whose states stay in the cache, so
// that memory is read and written in long runs.
#include <algorithm>
#include <cstdint>
#include <vector>

#if COMPLEX
struct number { real re, im; };
static inline number operator+(number x, number y) { return {x.re + y.re, x.im + y.im}; }
static inline number operator*(number x, number y) {
  return {x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}
static inline number turned(number x, real sign) { return {x.re, sign * x.im}; }
#else
typedef real number;
static inline number turned(number x, real) { return x; }
#endif

template <class T>
struct Port {
  T* base;              // at the step that is run first
  int64_t time;         // from one step to the next
  const int64_t* rows;  // from the base to each row
  int64_t unit, i, j;   // from one unit to the next; from one channel of it, or row and column, to the next
  T* at(int64_t t, int64_t row) const { return base + t * time + rows[row]; }
};

struct Problem {
  Port<const number> a, b, init;
  Port<number> out;
  Port<const number> before;  // with `grad`: states, whose products with the carried one go there
  Port<number> grad;
  Port<const uint8_t> identity, cut;  // where A is the identity; where nothing is carried
  int64_t steps, units, size;         // T; units in a row; S
  double sign;                        // −1: A stands conjugated
};

enum Place { SAME, PLANES, PACKED, TRANSPOSED };

struct Segment { int64_t row, first, count, offset; };  // units of one row

// The units of a group, in the order in which memory is read: where time runs backwards they do too, in short runs,
// or the processor would not see what comes next and fetch it.
static std::vector<Segment> segments(const Problem& p, int64_t begin, int64_t end) {
  constexpr int64_t RUN = 256 / sizeof(number);
  const bool backwards = p.out.time < 0;
  std::vector<Segment> found;
  for (int64_t u = begin; u < end;) {
    int64_t row = u / p.units, first = u % p.units, count = std::min(p.units - first, end - u);
    if (backwards) count = std::min(count, RUN);
    found.push_back({row, first, count, u - begin});
    u += count;
  }
  if (backwards) std::reverse(found.begin(), found.end());
  return found;
}

constexpr int64_t STATES = 65536 / sizeof(number);  // numbers of a group

#if SIZE
template <Place P>
static inline int64_t element(const int64_t (&step)[2], int64_t u, int i, int j) {
  if (P == SAME) return i * step[0] + j * step[1];
  if (P == PLANES) return u + i * step[0] + j * step[1];
  return u * SIZE * SIZE + (P == PACKED ? i * SIZE + j : j * SIZE + i);
}
template <Place P>
static inline int64_t channel(int64_t step, int64_t u, int i) {
  return P == PLANES ? u + i * step : u * SIZE + i;
}

// One step of units that lie next to one another.
template <Place M, Place V, bool GRAD>
static void advance(const Problem& p, int64_t t, const Segment& s, number* __restrict state, int64_t width) {
  constexpr int64_t DM = M == SAME ? 0 : M == PLANES ? 1 : SIZE * SIZE, DV = V == PLANES ? 1 : SIZE;
  constexpr Place G = M == PLANES ? PLANES : PACKED;
  const int64_t am[2] = {p.a.i, p.a.j}, gm[2] = {p.grad.i, p.grad.j}, bv = p.b.i, ov = p.out.i, hv = p.before.i;
  const number* __restrict a = p.a.at(t, s.row) + s.first * DM;
  const number* __restrict b = p.b.at(t, s.row) + s.first * DV;
  number* __restrict out = p.out.at(t, s.row) + s.first * DV;
  const number* __restrict h = GRAD ? p.before.at(t, s.row) + s.first * DV : nullptr;
  number* __restrict grad = GRAD ? p.grad.at(t, s.row) + s.first * (G == PLANES ? 1 : SIZE * SIZE) : nullptr;
  const int64_t n = s.count;
  const real sign = p.sign;
  const bool cut = p.cut.base && *p.cut.at(t, s.row), identity = p.identity.base && *p.identity.at(t, s.row);
  if (cut || identity) {
    for (int64_t u = 0; u < n; u++)
      for (int i = 0; i < SIZE; i++) {
        number& x = state[i * width + u];
        // Not by a product: what is cut off may be NaN.
        if (cut) x = number{};
        x = x + b[channel<V>(bv, u, i)];
        out[channel<V>(ov, u, i)] = x;
        if (GRAD) for (int j = 0; j < SIZE; j++) grad[element<G>(gm, u, i, j)] = number{};
      }
    return;
  }
#pragma omp simd
  for (int64_t u = 0; u < n; u++) {
    number x[SIZE], y[SIZE];
    for (int i = 0; i < SIZE; i++) x[i] = state[i * width + u];
    if (GRAD)
      for (int j = 0; j < SIZE; j++) {
        number z = turned(h[channel<V>(hv, u, j)], -1);
        for (int i = 0; i < SIZE; i++) grad[element<G>(gm, u, i, j)] = x[i] * z;
      }
    for (int i = 0; i < SIZE; i++) {
      y[i] = b[channel<V>(bv, u, i)];
      for (int j = 0; j < SIZE; j++) y[i] = y[i] + turned(a[element<M>(am, u, i, j)], sign) * x[j];
    }
    for (int i = 0; i < SIZE; i++) out[channel<V>(ov, u, i)] = state[i * width + u] = y[i];
  }
}

template <Place M, Place V, bool GRAD>
static void run(const Problem& p, int64_t begin, int64_t end) {
  const int64_t width = std::max<int64_t>(1, STATES / SIZE);
  std::vector<number> state(width * SIZE);
  for (; begin < end; begin += width) {
    auto parts = segments(p, begin, std::min(begin + width, end));
    for (const Segment& s : parts)
      for (int64_t u = 0; u < s.count; u++)
        for (int i = 0; i < SIZE; i++)
          state[i * width + s.offset + u] = p.init.at(0, s.row)[(s.first + u) * p.init.unit + i * p.init.i];
    for (int64_t t = 0; t < p.steps; t++)
      for (const Segment& s : parts) advance<M, V, GRAD>(p, t, s, state.data() + s.offset, width);
  }
}

extern "C" void scan(const Problem* p, int64_t begin, int64_t end) {
  run<Place(MATRIX), Place(VECTOR), GRADIENT>(*p, begin, end);
}
#else
// y += A x, where the rows of A, or its columns, are contiguous.
static void multiply(const Problem& p, const number* a, const number* x, number* y) {
  const int64_t n = p.size;
  const real sign = p.sign;
  if (p.a.j == 1) {
    for (int64_t i = 0; i < n; i++) {
      const number* row = a + i * p.a.i;
#if COMPLEX
      real re = 0, im = 0;
#pragma omp simd reduction(+ : re, im)
      for (int64_t j = 0; j < n; j++) {
        number z = turned(row[j], sign) * x[j];
        re += z.re, im += z.im;
      }
      y[i] = y[i] + number{re, im};
#else
      real sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < n; j++) sum += row[j] * x[j];
      y[i] += sum;
#endif
    }
    return;
  }
  for (int64_t j = 0; j < n; j++) {
    const number* column = a + j * p.a.j;
    const number factor = x[j];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = y[i] + turned(column[i], sign) * factor;
  }
}

// One step of one unit.
static void advance(const Problem& p, int64_t t, int64_t row, int64_t u, number* x, number* y) {
  const int64_t n = p.size;
  const bool cut = p.cut.base && *p.cut.at(t, row), identity = p.identity.base && *p.identity.at(t, row);
  const number* b = p.b.at(t, row) + u * p.b.unit;
  std::copy(b, b + n, y);
  if (!cut && !identity) multiply(p, p.a.at(t, row) + u * p.a.unit, x, y);
  if (!cut && identity) for (int64_t i = 0; i < n; i++) y[i] = y[i] + x[i];
  if (p.grad.base) {
    number* grad = p.grad.at(t, row) + u * p.grad.unit;
    const number* h = p.before.at(t, row) + u * p.before.unit;
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) grad[i * n + j] = cut || identity ? number{} : x[i] * turned(h[j], -1);
  }
  std::copy(y, y + n, x);
  std::copy(y, y + n, p.out.at(t, row) + u * p.out.unit);
}

extern "C" void scan(const Problem* p, int64_t begin, int64_t end) {
  const int64_t n = p->size, width = std::max<int64_t>(1, STATES / n);
  std::vector<number> state(width * n), next(n);
  for (; begin < end; begin += width) {
    auto parts = segments(*p, begin, std::min(begin + width, end));
    for (const Segment& s : parts)
      for (int64_t u = 0; u < s.count; u++)
        for (int64_t i = 0; i < n; i++)
          state[(s.offset + u) * n + i] = p->init.at(0, s.row)[(s.first + u) * p->init.unit + i * p->init.i];
    for (int64_t t = 0; t < p->steps; t++)
      for (const Segment& s : parts)
        for (int64_t u = 0; u < s.count; u++)
          advance(*p, t, s.row, s.first + u, state.data() + (s.offset + u) * n, next.data());
  }
}
#endif
