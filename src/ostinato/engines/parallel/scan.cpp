// h_t = A_t h_{t−1} + b_t, step after step, over many units at once.
//
// What stands before past.h and this text says what is computed: `real` is float or double, COMPLEX 0 or 1, and SIZE the
// number S of channels in a unit, or 0 where S is known at run time only. A_t is an S×S matrix for every unit. MATRIX
// and VECTOR say how matrices and vectors lie, as a Place, and GRADIENT whether products of states are put out too.
//
// Units are numbered through rows. Time is the outer loop over a group of units whose states stay in the cache, so
// that memory is read and written in long runs.
#include <sched.h>

#include <algorithm>
#include <atomic>
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

// Threads that take windows of time in turn, where there are too few units to be shared out. Two lines of the cache.
struct Turns {
  std::atomic<int64_t> taken;
  int64_t apart[7];
  std::atomic<int64_t> done;
  int64_t further[7];
};

struct Problem {
  Port<const number> a, b, init;
  Port<number> out;
  Port<const number> before;  // with `grad`: states, whose products with the carried one go there
  Port<number> grad;
  Port<const uint8_t> identity, cut;  // where A is the identity; where nothing is carried
  int64_t steps, units, all, size;    // T; units in a row, and in all rows; S
  double sign;                        // −1: A stands conjugated
  int64_t past;                       // whether results go past the caches
  Turns* turns;                       // if there are any: all units, in
  int64_t window;                     // windows of so many steps,
  number* state;                      // between which the state lies here
};

enum Place { SAME, PLANES, PACKED, TRANSPOSED };

struct Segment { int64_t row, first, count, offset; };  // units of one row

// Units of a short run, in which results go past the caches, and numbers of a step that is short.
constexpr int64_t RUN = 256 / sizeof(number), SHORT = 2048 / sizeof(number);

// The units of a group, in the order in which memory is read. Where time runs backwards and a step is short they do
// too, in short runs, or the processor would not see what comes next and fetch it. A long step it sees by itself, and
// reads forwards up to three times as fast.
static std::vector<Segment> segments(const Problem& p, int64_t begin, int64_t end) {
  const bool backwards = p.out.time < 0 && (p.past || std::min(end - begin, p.units) < SHORT);
  const int64_t most = p.past || backwards ? RUN : p.units;
  std::vector<Segment> found;
  for (int64_t u = begin; u < end;) {
    const int64_t row = u / p.units, first = u % p.units, count = std::min({p.units - first, end - u, most});
    found.push_back({row, first, count, u - begin});
    u += count;
  }
  if (backwards) std::reverse(found.begin(), found.end());
  return found;
}

constexpr int64_t STATES = 65536 / sizeof(number);  // numbers of a group

// Wait until `mine` windows are done, and use the time: `fetch` is called with one step of the own window after the
// other. Whoever takes a window waits only for those who took one before, so that it does not matter how many come.
template <class Fetch>
static void await(const Turns& turns, int64_t mine, int64_t first, int64_t last, Fetch fetch) {
  for (int64_t t = first, spins = 0; turns.done.load(std::memory_order_acquire) != mine;) {
    if (t < last) {
      fetch(t++);
    } else {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
      // There may be fewer cores than threads.
      if (++spins > 4096) sched_yield();
    }
  }
}

#if SIZE
constexpr int64_t WIDTH = STATES / SIZE;  // units of a group

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

// Where results of a segment go, and from one channel to the next there.
struct Results {
  number* out;
  int64_t i;
  number* grad;
  int64_t rows, columns;
};

// One step of n units that lie next to one another.
template <Place M, Place V, bool GRAD>
static inline __attribute__((always_inline)) void compute(const Problem& p, int64_t t, const Segment& s, int64_t n,
                                                          number* __restrict state, const Results& to) {
  constexpr int64_t DM = M == SAME ? 0 : M == PLANES ? 1 : SIZE * SIZE, DV = V == PLANES ? 1 : SIZE;
  constexpr Place G = M == PLANES ? PLANES : PACKED;
  const int64_t am[2] = {p.a.i, p.a.j}, gm[2] = {to.rows, to.columns}, bv = p.b.i, ov = to.i, hv = p.before.i;
  const number* __restrict a = p.a.at(t, s.row) + s.first * DM;
  const number* __restrict b = p.b.at(t, s.row) + s.first * DV;
  const number* __restrict h = GRAD ? p.before.at(t, s.row) + s.first * DV : nullptr;
  number* __restrict out = to.out;
  number* __restrict grad = to.grad;
  const real sign = p.sign;
  const bool cut = p.cut.base && *p.cut.at(t, s.row), identity = p.identity.base && *p.identity.at(t, s.row);
  if (cut || identity) {
    for (int64_t u = 0; u < n; u++)
      for (int i = 0; i < SIZE; i++) {
        number& x = state[i * WIDTH + u];
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
    for (int i = 0; i < SIZE; i++) x[i] = state[i * WIDTH + u];
    if (GRAD)
      for (int j = 0; j < SIZE; j++) {
        number z = turned(h[channel<V>(hv, u, j)], -1);
        for (int i = 0; i < SIZE; i++) grad[element<G>(gm, u, i, j)] = x[i] * z;
      }
    for (int i = 0; i < SIZE; i++) {
      y[i] = b[channel<V>(bv, u, i)];
      for (int j = 0; j < SIZE; j++) y[i] = y[i] + turned(a[element<M>(am, u, i, j)], sign) * x[j];
    }
    for (int i = 0; i < SIZE; i++) out[channel<V>(ov, u, i)] = state[i * WIDTH + u] = y[i];
  }
}

// Results of a run from the cache to memory.
template <Place P, int ROWS, int COLUMNS>
static inline void put(number* to, const number* from, int64_t n, int64_t i, int64_t j) {
  if (P != PLANES) return write_past(to, from, n * ROWS * COLUMNS * sizeof(number));
  for (int k = 0; k < ROWS * COLUMNS; k++)
    write_past(to + k / COLUMNS * i + k % COLUMNS * j, from + k * RUN, n * sizeof(number));
}

// One step of a segment.
template <Place M, Place V, bool GRAD>
static void advance(const Problem& p, int64_t t, const Segment& s, number* state) {
  constexpr Place G = M == PLANES ? PLANES : PACKED;
  const Results there = {p.out.at(t, s.row) + s.first * (V == PLANES ? 1 : SIZE), p.out.i,
                         GRAD ? p.grad.at(t, s.row) + s.first * (G == PLANES ? 1 : SIZE * SIZE) : nullptr, p.grad.i,
                         p.grad.j};
  alignas(64) number out[RUN * SIZE], grad[GRAD ? RUN * SIZE * SIZE : 1];
  const Results here = {out, RUN, grad, RUN * SIZE, RUN};
  if (!p.past) return compute<M, V, GRAD>(p, t, s, s.count, state + s.offset, there);
  // Where the number is known at compile time no rest has to be seen to.
  if (s.count == RUN) compute<M, V, GRAD>(p, t, s, RUN, state + s.offset, here);
  else compute<M, V, GRAD>(p, t, s, s.count, state + s.offset, here);
  put<V, SIZE, 1>(there.out, out, s.count, there.i, 0);
  if (GRAD) put<G, SIZE, SIZE>(there.grad, grad, s.count, there.rows, there.columns);
}

static void start(const Problem& p, const std::vector<Segment>& parts, number* state) {
  for (const Segment& s : parts)
    for (int64_t u = 0; u < s.count; u++)
      for (int i = 0; i < SIZE; i++)
        state[i * WIDTH + s.offset + u] = p.init.at(0, s.row)[(s.first + u) * p.init.unit + i * p.init.i];
}

static void run(const Problem& p, const std::vector<Segment>& parts, number* state, int64_t first, int64_t last) {
  for (int64_t t = first; t < last; t++)
    for (const Segment& s : parts)
      advance<Place(MATRIX), Place(VECTOR), GRADIENT>(p, t, s, state);
}

static void scan(const Problem& p, int64_t begin, int64_t end) {
  std::vector<number> state(WIDTH * SIZE);
  for (; begin < end; begin += WIDTH) {
    auto parts = segments(p, begin, std::min(begin + WIDTH, end));
    start(p, parts, state.data());
    run(p, parts, state.data(), 0, p.steps);
  }
}

static inline void touch(const number* at) { (void)*reinterpret_cast<const volatile char*>(at); }
// By writing, since to read it would leave half of the way to go; what is written is not looked at.
static inline void touch(number* at) { *at = number{}; }

// Bring what a port reads or writes for the units of a step into the cache. Hints to fetch do it less well.
template <class T>
static inline void fetch(const Port<T>& port, int64_t t, const Segment& s, Place place, int rows, int columns) {
  constexpr int64_t LINE = 64 / sizeof(number);
  if (!port.base || place == SAME) return;
  const bool planes = place == PLANES;
  const int64_t count = s.count * (planes ? 1 : rows * columns);
  for (int i = 0; i < (planes ? rows : 1); i++)
    for (int j = 0; j < (planes ? columns : 1); j++) {
      T* at = port.at(t, s.row) + s.first * (planes ? 1 : rows * columns) + i * port.i + j * port.j;
      for (int64_t n = 0; n < count; n += LINE) touch(at + n);
    }
}

static void scan_in_turns(const Problem& p) {
  const auto parts = segments(p, 0, p.all);
  for (;;) {
    const int64_t mine = p.turns->taken.fetch_add(1), first = mine * p.window;
    if (first >= p.steps) return;
    const int64_t last = std::min(first + p.window, p.steps);
    await(*p.turns, mine, first, last, [&](int64_t t) {
      for (const Segment& s : parts) {
        fetch(p.a, t, s, Place(MATRIX), SIZE, SIZE);
        fetch(p.b, t, s, Place(VECTOR), SIZE, 1);
        fetch(p.before, t, s, Place(VECTOR), SIZE, 1);
        if (p.past) continue;
        fetch(p.out, t, s, Place(VECTOR), SIZE, 1);
        fetch(p.grad, t, s, MATRIX == PLANES ? PLANES : PACKED, SIZE, SIZE);
      }
    });
    if (first == 0) start(p, parts, p.state);
    run(p, parts, p.state, first, last);
    p.turns->done.store(mine + 1, std::memory_order_release);
  }
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

static void scan(const Problem& p, int64_t begin, int64_t end) {
  const int64_t n = p.size, width = std::max<int64_t>(1, STATES / n);
  std::vector<number> state(width * n), next(n);
  for (; begin < end; begin += width) {
    auto parts = segments(p, begin, std::min(begin + width, end));
    for (const Segment& s : parts)
      for (int64_t u = 0; u < s.count; u++)
        for (int64_t i = 0; i < n; i++)
          state[(s.offset + u) * n + i] = p.init.at(0, s.row)[(s.first + u) * p.init.unit + i * p.init.i];
    for (int64_t t = 0; t < p.steps; t++)
      for (const Segment& s : parts)
        for (int64_t u = 0; u < s.count; u++)
          advance(p, t, s.row, s.first + u, state.data() + (s.offset + u) * n, next.data());
  }
}

static void scan_in_turns(const Problem&) {}
#endif

// The units from `begin` on, or what is to be had of the windows; called by threads.cpp.
extern "C" void part(const Problem* const* p, const int64_t*, int64_t, int64_t begin, int64_t end, void*, int64_t) {
  if ((*p)->turns) scan_in_turns(**p);
  else scan(**p, begin, end);
  if ((*p)->past) finish();
}
