// Sensitivities of units that do not mix, over a segment of T steps:
//
//     S_T = Φ S_0 + Σ_t W_t ⊗ a_t,    W_t = J_T … J_{t+1} I_t,    Φ = J_T … J_1
//
// for every unit h a matrix J_t of LEAVES × LEAVES, and I_t of LEAVES × n; S has LEAVES · n lines of D numbers for it,
// line (h · LEAVES + k) · n + m. W is found from the last step to the first, for some units at a time; then S is read
// and written once, in blocks of lines whose sums stay in registers through all steps.
//
// What stands before this text defines `real`, SINGLE and LEAVES.
#include <algorithm>
#include <vector>

#include "vector.h"

template <class T>
struct Port {
  T* base;            // 0: there are zeros everywhere
  int64_t time, row;  // from one step, and from one row of the batch, to the next
  T* at(int64_t t, int64_t b) const { return base + t * time + b * row; }
};

struct Advance {
  const real* kept;                               // S before (B, units, LEAVES, n, D)
  real* out;                                      // S after
  Port<const real> jacobian[LEAVES][LEAVES];      // (T, B, units), by new and old leaf
  Port<const real> changes[LEAVES];               // (T, B, units · n)
  Port<const real> operand;                       // a (T, B, D); 0: 1, with D = 1
  Port<const uint8_t> held, cut;                  // where the state stays; where nothing is carried over
  int64_t steps, rows, units, width, inner;
};

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int64_t BLOCK = 6;  // lines whose sums stay in registers, four of each
#else
constexpr int64_t BLOCK = 2;
#endif
// Lines that W is found for at a time; numbers of a below which they stay in the cache while lines go by.
constexpr int64_t LINES = 96, NEAR = 32768 / sizeof(real);

// What happens to some units of a row.
struct Share {
  const Advance& p;
  int64_t row, first, units, start = 0;  // steps before `start` leave no trace
  bool fresh = false;                    // nor does S before
  real* phi;                             // Φ, (LEAVES, LEAVES, LINES)
  real* weights;                         // (T, lines)
  int64_t lines() const { return units * LEAVES * p.width; }
};

// Φ ← Φ J
static void passed(Share& s, int64_t t) {
  const real zeros[LINES] = {};
  const real* jacobian[LEAVES][LEAVES];
  for (int64_t k = 0; k < LEAVES; k++) {
    for (int64_t j = 0; j < LEAVES; j++) {
      const Port<const real>& from = s.p.jacobian[k][j];
      jacobian[k][j] = from.base ? from.at(t, s.row) + s.first : zeros;
    }
  }
  for (int64_t i = 0; i < LEAVES; i++) {
    real* phi = s.phi + i * LEAVES * LINES;
    for (int64_t h = 0; h < s.units; h++) {
      real row[LEAVES] = {};
      for (int64_t k = 0; k < LEAVES; k++)
        for (int64_t j = 0; j < LEAVES; j++) row[j] += phi[k * LINES + h] * jacobian[k][j][h];
      for (int64_t j = 0; j < LEAVES; j++) phi[j * LINES + h] = row[j];
    }
  }
}

// w[h · step] += Φ I, for the units of one n.
static void weighed(const real* phi, const real* change, int64_t units, int64_t width, int64_t step, real* w) {
  if (width == 1 && step == 1)
    for (int64_t h = 0; h < units; h++) w[h] += phi[h] * change[h];
  else
    for (int64_t h = 0; h < units; h++) w[h * step] += phi[h] * change[h * width];
}

// W_t = Φ I_t
static void weighed(Share& s, int64_t t) {
  const Advance& p = s.p;
  real* w = s.weights + t * s.lines();
  std::fill_n(w, s.lines(), real(0));
  for (int64_t k = 0; k < LEAVES; k++) {
    if (!p.changes[k].base) continue;
    const real* change = p.changes[k].at(t, s.row) + s.first * p.width;
    for (int64_t i = 0; i < LEAVES; i++)
      for (int64_t m = 0; m < p.width; m++)
        weighed(s.phi + (i * LEAVES + k) * LINES, change + m, s.units, p.width, LEAVES * p.width,
                w + i * p.width + m);
  }
}

// W of all steps, and Φ.
static void backwards(Share& s) {
  const Advance& p = s.p;
  for (int64_t i = 0; i < LEAVES; i++)
    for (int64_t j = 0; j < LEAVES; j++)
      std::fill_n(s.phi + (i * LEAVES + j) * LINES, s.units, real(i == j));
  for (int64_t t = p.steps - 1; t >= 0; t--) {
    const bool held = p.held.base && *p.held.at(t, s.row), cut = p.cut.base && *p.cut.at(t, s.row);
    if (held) std::fill_n(s.weights + t * s.lines(), s.lines(), real(0));
    else weighed(s, t);
    if (cut) {
      s.start = t, s.fresh = true;
      return;
    }
    if (!held) passed(s, t);
  }
}

// Φ S_0 at a place of a line.
template <class L>
INLINE vec carried(const Share& s, int64_t line, int64_t column, L lane) {
  const Advance& p = s.p;
  vec sum{};
  if (s.fresh) return sum;
  const int64_t h = line / (LEAVES * p.width), i = line / p.width % LEAVES, m = line % p.width;
  const int64_t unit = s.row * p.units + s.first + h;
  for (int64_t k = 0; k < LEAVES; k++) {
    const real* from = p.kept + ((unit * LEAVES + k) * p.width + m) * p.inner + column;
    sum += splat(s.phi[(i * LEAVES + k) * LINES + h]) * lane.load(from);
  }
  return sum;
}

// Some columns of a, a step after the other.
struct Columns {
  const real* base;
  int64_t time, first;
};

template <int64_t ROWS, int64_t WIDE, class L>
INLINE void block(const Share& s, int64_t line, const Columns& a, L lane) {
  const Advance& p = s.p;
  vec sums[ROWS][WIDE];
#pragma GCC unroll 8
  for (int64_t r = 0; r < ROWS; r++)
#pragma GCC unroll 8
    for (int64_t q = 0; q < WIDE; q++) sums[r][q] = carried(s, line + r, a.first + q * LANES, lane);
  const real* w = s.weights + s.start * s.lines() + line;
  for (int64_t t = s.start; t < p.steps; t++, w += s.lines()) {
    vec given[WIDE];
#pragma GCC unroll 8
    for (int64_t q = 0; q < WIDE; q++) given[q] = lane.load(a.base + t * a.time + q * LANES);
#pragma GCC unroll 8
    for (int64_t r = 0; r < ROWS; r++)
#pragma GCC unroll 8
      for (int64_t q = 0; q < WIDE; q++) sums[r][q] += splat(w[r]) * given[q];
  }
  real* to = p.out + ((s.row * p.units + s.first) * LEAVES * p.width + line) * p.inner + a.first;
#pragma GCC unroll 8
  for (int64_t r = 0; r < ROWS; r++)
#pragma GCC unroll 8
    for (int64_t q = 0; q < WIDE; q++) lane.store(to + r * p.inner + q * LANES, sums[r][q]);
}

template <int64_t WIDE, class L>
INLINE void lines_of(const Share& s, int64_t begin, int64_t end, Columns a, L lane) {
  int64_t line = begin;
  for (; line + BLOCK <= end; line += BLOCK) block<BLOCK, WIDE>(s, line, a, lane);
  for (; line < end; line++) block<1, WIDE>(s, line, a, lane);
}

// Some lines at all columns; `room`, if there is any, is for columns side by side: steps that lie far apart in memory
// would drive each other out of the cache.
static void columns(const Share& s, int64_t begin, int64_t end, real* room) {
  const Port<const real>& a = s.p.operand;
  const real* base = a.at(0, s.row);
  const int64_t inner = s.p.inner, wide = 4 * LANES;
  int64_t j = 0;
  for (; j + wide <= inner; j += wide) {
    Columns part{base + j, a.time, j};
    if (room) {
      for (int64_t t = s.start; t < s.p.steps; t++) std::memcpy(room + t * wide, base + t * a.time + j, 4 * WIDTH);
      part.base = room, part.time = wide;
    }
    lines_of<4>(s, begin, end, part, Full{});
  }
  for (; j + LANES <= inner; j += LANES) lines_of<1>(s, begin, end, {base + j, a.time, j}, Full{});
  if (j < inner) lines_of<1>(s, begin, end, {base + j, a.time, j}, Part{inner - j});
}

// Lines of one number, whose operand is 1.
static void numbers(const Share& s) {
  const Advance& p = s.p;
  const int64_t lines = s.lines(), before = (s.row * p.units + s.first) * LEAVES * p.width;
  real* to = p.out + before;
  std::fill_n(to, lines, real(0));
  for (int64_t i = 0; i < LEAVES && !s.fresh; i++)
    for (int64_t k = 0; k < LEAVES; k++)
      for (int64_t h = 0; h < s.units; h++)
        for (int64_t m = 0; m < p.width; m++)
          to[(h * LEAVES + i) * p.width + m] +=
              s.phi[(i * LEAVES + k) * LINES + h] * p.kept[before + (h * LEAVES + k) * p.width + m];
  for (int64_t t = s.start; t < p.steps; t++)
    for (int64_t line = 0; line < lines; line++) to[line] += s.weights[t * lines + line];
}

// Groups of units, numbered through the rows.
extern "C" void advance(const Advance* const* given, const int64_t*, int64_t, int64_t begin, int64_t end, void*,
                        int64_t) {
  const Advance& p = **given;
  const int64_t most = std::max<int64_t>(1, LINES / (LEAVES * p.width)), groups = (p.units + most - 1) / most;
  std::vector<real> phi(LEAVES * LEAVES * LINES), weights(p.steps * most * LEAVES * p.width);
  std::vector<real> room(p.steps * 4 * LANES);
  for (int64_t g = begin; g < end; g++) {
    const int64_t first = g % groups * most;
    Share s{p, g / groups, first, std::min(most, p.units - first)};
    s.phi = phi.data(), s.weights = weights.data();
    backwards(s);
    if (!p.operand.base) numbers(s);
    else if ((p.steps - s.start) * p.inner > NEAR) columns(s, 0, s.lines(), room.data());
    else
      for (int64_t line = 0; line < s.lines(); line += BLOCK) columns(s, line, std::min(line + BLOCK, s.lines()), nullptr);
  }
}

struct Contract {
  const real* kept;           // S (B, units, LEAVES, n, D)
  const real* errors[LEAVES]; // e (B, units)
  real* out;                  // (units, n, D)
  int64_t rows, units, width, inner;
};

template <int64_t WIDE, class L>
INLINE void total(const Contract& p, int64_t h, int64_t m, int64_t column, L lane) {
  vec sums[WIDE] = {};
  for (int64_t b = 0; b < p.rows; b++) {
    for (int64_t k = 0; k < LEAVES; k++) {
      const vec error = splat(p.errors[k][b * p.units + h]);
      const real* from = p.kept + (((b * p.units + h) * LEAVES + k) * p.width + m) * p.inner + column;
#pragma GCC unroll 8
      for (int64_t q = 0; q < WIDE; q++) sums[q] += error * lane.load(from + q * LANES);
    }
  }
  real* to = p.out + (h * p.width + m) * p.inner + column;
  for (int64_t q = 0; q < WIDE; q++)
    lane.store(to + q * LANES, sums[q] + lane.load(to + q * LANES));
}

// The same where D = 1.
static void total_of_numbers(const Contract& p, int64_t h) {
  for (int64_t m = 0; m < p.width; m++) {
    real sum = p.out[h * p.width + m];
    for (int64_t b = 0; b < p.rows; b++)
      for (int64_t k = 0; k < LEAVES; k++)
        sum += p.errors[k][b * p.units + h] * p.kept[((b * p.units + h) * LEAVES + k) * p.width + m];
    p.out[h * p.width + m] = sum;
  }
}

// Adds Σ e S over rows and leaves, for some units.
extern "C" void contract(const Contract* const* given, const int64_t*, int64_t, int64_t begin, int64_t end, void*,
                         int64_t) {
  const Contract& p = **given;
  for (int64_t h = begin; h < end; h++) {
    if (p.inner == 1) total_of_numbers(p, h);
    else for (int64_t m = 0; m < p.width; m++) {
      int64_t j = 0;
      for (; j + 4 * LANES <= p.inner; j += 4 * LANES) total<4>(p, h, m, j, Full{});
      for (; j + LANES <= p.inner; j += LANES) total<1>(p, h, m, j, Full{});
      if (j < p.inner) total<1>(p, h, m, j, Part{p.inner - j});
    }
  }
}
