// The recurrence of a matrix state in chunks, with one decay for all keys; chunkwise.py has the equations.
//
// One thread takes a head through time. Everything of a chunk lies in the cache, rows filled up with zeros to whole
// registers. Rows that read the state, q and the erase keys, stand in one block, and so do the gradients of what they
// read. No inverse is made: N is found row after row.
#include "blocks.h"
#include <algorithm>
#include <vector>

struct Port { real* base; int64_t batch, head, time; };  // (B, T, H, ·), the last axis contiguous; no base: absent

struct Problem {
  Port q, k, v, g, erase, beta, o;               // o: what is put out, or its gradient
  Port dq, dk, dv, dg, derase, dbeta;            // backward only
  real *first, *last, *starts, *written;         // (B, H, K, V) twice, (B, H, M, K, V), (B, H, M, C·n, V)
  real *grad_first, *grad_last;
  int64_t heads, steps, updates, keys, values, size;
  double scale;
  int64_t delta;                                 // k is the erase key
};

static int64_t up(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

struct Chunk {
  const Problem& p;
  const int64_t b, h, C, n, N, K, V, KP, VP, NP, reads;
  std::vector<real> memory;
  real *x, *k, *kt, *w, *z, *nn, *s, *table, *enter, *leave, *factor;
  double* gamma;
  real whole;
  int64_t from, count;  // steps of this chunk

  Chunk(const Problem& p, int64_t row)
      : p(p), b(row / p.heads), h(row % p.heads), C(p.size), n(p.updates), N(p.size * p.updates), K(p.keys),
        V(p.values), KP(up(p.keys)), VP(up(p.values)), NP(up(p.size * p.updates)),
        reads(p.size + (erases() ? p.size * p.updates : 0)) {
    const int64_t rows = C + N;
    const int64_t sizes[] = {rows * KP, NP * KP, KP * NP, rows * NP, rows * VP, NP * VP, KP * VP, C * NP, rows, NP, NP};
    int64_t total = 0;
    for (int64_t each : sizes) total += up(each);
    memory.assign(total + LANES, 0);
    real* at = memory.data();
    at += (WIDTH - reinterpret_cast<uintptr_t>(at) % WIDTH) % WIDTH / sizeof(real);
    real** places[] = {&x, &k, &kt, &w, &z, &nn, &s, &table, &enter, &leave, &factor};
    for (int i = 0; i < 11; i++) *places[i] = at, at += up(sizes[i]);
    gamma_memory.assign(C, 0);
    gamma = gamma_memory.data();
  }
  std::vector<double> gamma_memory;

  bool erases() const { return p.delta || p.erase.base; }
  const Port& erase() const { return p.delta ? p.k : p.erase; }
  real* at(const Port& port, int64_t t) const { return port.base + b * port.batch + h * port.head + t * port.time; }
  int64_t head_index() const { return b * p.heads + h; }

  // Rows (·, columns) of an operand from row t on, times `by`; what is not there is zero.
  void load(const Port& port, int64_t t, int64_t rows, int64_t there, int64_t columns, real* to, int64_t ld) const {
    for (int64_t i = 0; i < there; i++) std::copy_n(at(port, t + i), columns, to + i * ld);
    for (int64_t i = there; i < rows; i++) std::fill_n(to + i * ld, columns, real(0));
  }
  void store(const Port& port, int64_t t, int64_t there, int64_t columns, const real* x, int64_t ld) const {
    for (int64_t i = 0; i < there; i++) std::copy_n(x + i * ld, columns, at(port, t + i));
  }
  real beta(int64_t t) const { return p.beta.base ? *at(p.beta, t) : real(1); }

  // Columns that a row of reading may see: what was written until its step, or before it.
  int64_t seen(int64_t row) const { return row < C ? (row + 1) * n : row - C; }
  Range below(int64_t end) const { return {0, K, seen(end - 1)}; }

  void decays() {
    double sum = 0;
    for (int64_t i = 0; i < C; i++) {
      if (p.g.base && i < count) sum += std::max(double(*at(p.g, from + i)), -800.);
      gamma[i] = sum;
    }
    whole = std::exp(sum);
    for (int64_t i = 0; i < C; i++) {
      enter[i] = std::exp(gamma[i]);
      for (int64_t j = 0; j < n; j++) {
        leave[i * n + j] = std::exp(sum - gamma[i]);
        if (erases()) enter[C + i * n + j] = -enter[i];
      }
    }
    if (!p.g.base) return;
    for (int64_t i = 0; i < C; i++) {
      real* row = table + i * NP;
      for (int64_t j = 0; j <= i; j++)
        for (int64_t m = 0; m < n; m++) row[j * n + m] = real(gamma[i] - gamma[j]);
      for (int64_t j = 0; j < (i + 1) * n; j += LANES) Full{}.store(row + j, exp_(Full{}.load(row + j)));
    }
  }

  // Products of rows that read (·, L) with rows that were written, transposed (L, NP): decayed, and of erase keys
  // negative; zero where nothing was written yet.
  void weigh(const real* rows, int64_t length, const real* written, real* to) {
    const int64_t ld = length == K ? KP : VP;
    product(C, {rows, ld, 1}, written, NP, to, NP, false, [&](int64_t, int64_t end) { return Range{0, length, end * n}; });
    if (erases())
      product(N, {rows + C * ld, ld, 1}, written, NP, to + C * NP, NP, false,
              [&](int64_t, int64_t end) { return Range{0, length, end - 1}; });
    for (int64_t i = 0; i < reads; i++) {
      real* row = to + i * NP;
      const int64_t end = seen(i), step = i < C ? i : (i - C) / n;
      const real sign = i < C ? 1 : -1;
      if (p.g.base)
        for (int64_t j = 0; j < end; j += LANES)
          Full{}.store(row + j, Full{}.load(row + j) * Full{}.load(table + step * NP + j) * sign);
      else if (i >= C)
        for (int64_t j = 0; j < end; j += LANES) Full{}.store(row + j, -Full{}.load(row + j));
      std::fill(row + end, row + NP, real(0));
    }
  }

  // q, erase keys and k of a chunk, decays, and the weights of reading.
  void prepare(int64_t chunk) {
    from = chunk * C, count = std::min(C, p.steps - from);
    load(p.q, from, C, count, K, x, KP);
    scale_all(count, KP, x, KP, p.scale);
    load(p.k, from * n, N, count * n, K, k, KP);
    for (int64_t i = 0; i < N; i++) factor[i] = i < count * n ? beta(from * n + i) : real(0);
    if (erases()) {
      load(erase(), from * n, N, count * n, K, x + C * KP, KP);
      if (p.beta.base) scale_rows(N, KP, x + C * KP, KP, factor);
    }
    decays();
    transpose(NP, KP, k, KP, kt, NP);
    weigh(x, K, kt, w);
  }

  void forward(int64_t chunk) {
    prepare(chunk);
    load(p.v, from * n, N, count * n, V, nn, VP);
    if (p.beta.base) scale_rows(N, VP, nn, VP, factor);
    if (p.g.base) scale_rows(C, KP, x, KP, enter);
    const Range all{0, K, V};
    product(C, {x, KP, 1}, s, VP, z, VP, false, [&](int64_t, int64_t) { return all; });
    if (erases()) {
      scale_rows(N, KP, x + C * KP, KP, enter + C);
      product(N, {x + C * KP, KP, 1}, s, VP, nn, VP, true, [&](int64_t, int64_t) { return all; });
      solve();
    }
    product(C, {w, NP, 1}, nn, VP, z, VP, true, [&](int64_t, int64_t end) { return Range{0, end * n, V}; });
    store(p.o, from, count, V, z, VP);
    if (p.written) {
      real* to = p.written + (head_index() * chunks() + chunk) * N * V;
      for (int64_t i = 0; i < N; i++) std::copy_n(nn + i * VP, V, to + i * V);
    }
    if (p.g.base) scale_rows(N, KP, k, KP, leave), scale_all(K, VP, s, VP, whole);
    product(K, {k, 1, KP}, nn, VP, s, VP, true, [&](int64_t, int64_t) { return Range{0, N, V}; });
  }

  int64_t chunks() const { return (p.steps + C - 1) / C; }

  // N from (I + A) N = nn, in place; the weights of erase keys are −A.
  void solve() {
    const real* a = w + C * NP;
    constexpr int64_t SOME = 16;
    for (int64_t i = 0; i < N; i += SOME) {
      const int64_t rows = std::min(SOME, N - i);
      product(rows, {a + i * NP, NP, 1}, nn, VP, nn + i * VP, VP, true, [&](int64_t, int64_t) { return Range{0, i, V}; });
      for (int64_t r = i + 1; r < i + rows; r++)
        some_columns<1>({a + r * NP, NP, 1}, {i, r, V}, nn, VP, nn + r * VP, VP, true);
    }
  }

  // The same with the transposed matrix, from the last row to the first.
  void solve_back(real* y) {
    const real* a = w + C * NP;
    constexpr int64_t SOME = 16;
    for (int64_t i = (N - 1) / SOME * SOME; i >= 0; i -= SOME) {
      const int64_t end = std::min(i + SOME, N);
      product(end - i, {a + i, 1, NP}, y, VP, y + i * VP, VP, true, [&](int64_t, int64_t) { return Range{end, N, V}; });
      for (int64_t r = end - 2; r >= i; r--)
        some_columns<1>({a + r, 1, NP}, {r + 1, end, V}, y, VP, y + r * VP, VP, true);
    }
  }
};

static void load_state(const real* from, int64_t K, int64_t V, int64_t VP, real* s) {
  for (int64_t i = 0; i < K; i++) std::copy_n(from + i * V, V, s + i * VP);
}
static void store_state(real* to, int64_t K, int64_t V, int64_t VP, const real* s) {
  for (int64_t i = 0; i < K; i++) std::copy_n(s + i * VP, V, to + i * V);
}

extern "C" void forward(const Problem* p, int64_t begin, int64_t end) {
  const int64_t state = p->keys * p->values;
  for (int64_t row = begin; row < end; row++) {
    Chunk c(*p, row);
    load_state(p->first + row * state, c.K, c.V, c.VP, c.s);
    for (int64_t m = 0; m < c.chunks(); m++) {
      if (p->starts) store_state(p->starts + (row * c.chunks() + m) * state, c.K, c.V, c.VP, c.s);
      c.forward(m);
    }
    store_state(p->last + row * state, c.K, c.V, c.VP, c.s);
  }
}

// Gradients of a chunk; `s` holds that of the state behind it.
struct Back : Chunk {
  std::vector<real> more;
  real *start, *turned, *dx, *dk, *weights, *plain;

  Back(const Problem& p, int64_t row) : Chunk(p, row) {
    const int64_t rows = C + N, wide = std::max(KP, NP);
    const int64_t sizes[] = {KP * VP, VP * wide, rows * KP, NP * KP, rows * NP, N * VP};
    int64_t total = 0;
    for (int64_t each : sizes) total += up(each);
    more.assign(total + LANES, 0);
    real* at = more.data();
    at += (WIDTH - reinterpret_cast<uintptr_t>(at) % WIDTH) % WIDTH / sizeof(real);
    real** places[] = {&start, &turned, &dx, &dk, &weights, &plain};
    for (int i = 0; i < 6; i++) *places[i] = at, at += up(sizes[i]);
  }

  void backward(int64_t m) {
    const int64_t state = K * V, row = head_index();
    prepare(m);
    load_state(p.starts + (row * chunks() + m) * state, K, V, VP, start);
    for (int64_t i = 0; i < N; i++) std::copy_n(p.written + ((row * chunks() + m) * N + i) * V, V, nn + i * VP);
    load(p.o, from, C, count, V, z, VP);
    gradient_of_written();
    gradient_of_reading();
    gradient_of_keys();
    if (p.g.base) gradient_of_gates(m);
    put_out();
    if (p.g.base) scale_all(K, VP, s, VP, whole);
    product(K, {x, 1, KP}, z, VP, s, VP, true, [&](int64_t, int64_t) { return Range{0, reads, V}; });
  }

  // dN behind the gradient of o in z, solved: the gradient of v; `plain` keeps it.
  void gradient_of_written() {
    real* y = z + C * VP;
    std::copy_n(k, N * KP, dk);
    if (p.g.base) scale_rows(N, KP, dk, KP, leave);
    product(N, {dk, KP, 1}, s, VP, y, VP, false, [&](int64_t, int64_t) { return Range{0, K, V}; });
    product(N, {w, 1, NP}, z, VP, y, VP, true, [&](int64_t i, int64_t) { return Range{i / n, C, V}; });
    if (erases()) solve_back(y);
    std::copy_n(y, N * VP, plain);
  }

  void gradient_of_reading() {
    transpose(NP, VP, nn, VP, turned, NP);
    weigh(z, V, turned, weights);
    if (p.g.base) scale_rows(reads, VP, z, VP, enter);
    else if (erases()) scale_all(N, VP, z + C * VP, VP, -1);
    transpose(KP, VP, start, VP, turned, KP);
    product(reads, {z, VP, 1}, turned, KP, dx, KP, false, [&](int64_t, int64_t) { return Range{0, V, K}; });
    product(C, {weights, NP, 1}, k, KP, dx, KP, true, [&](int64_t, int64_t end) { return Range{0, end * n, K}; });
    if (erases())
      product(N, {weights + C * NP, NP, 1}, k, KP, dx + C * KP, KP, true,
              [&](int64_t, int64_t end) { return Range{0, end - 1, K}; });
  }

  void gradient_of_keys() {
    if (p.g.base) scale_rows(N, VP, nn, VP, leave);
    transpose(KP, VP, s, VP, turned, KP);
    product(N, {nn, VP, 1}, turned, KP, dk, KP, false, [&](int64_t, int64_t) { return Range{0, V, K}; });
    product(N, {weights, 1, NP}, x, KP, dk, KP, true, [&](int64_t i, int64_t) { return Range{i / n, C, K}; });
    if (erases())
      product(N, {weights + C * NP, 1, NP}, x + C * KP, KP, dk, KP, true,
              [&](int64_t i, int64_t) { return Range{i, N, K}; });
  }

  void gradient_of_gates(int64_t m) {
    const int64_t state = K * V, row = head_index();
    const real* next = m + 1 < chunks() ? p.starts + (row * chunks() + m + 1) * state : p.last + row * state;
    double sum = 0;
    for (int64_t i = 0; i < K; i++)
      for (int64_t j = 0; j < V; j++) sum += double(next[i * V + j]) * s[i * VP + j];
    for (int64_t i = C - 1; i >= 0; i--) {
      sum += dot(KP, x + i * KP, dx + i * KP);
      for (int64_t j = i * n; j < (i + 1) * n; j++) {
        sum -= dot(KP, k + j * KP, dk + j * KP);
        if (erases()) sum += dot(KP, x + (C + j) * KP, dx + (C + j) * KP);
      }
      if (i < count) *at(p.dg, from + i) = sum;
    }
  }

  void put_out() {
    scale_all(C, KP, dx, KP, p.scale);
    store(p.dq, from, count, K, dx, KP);
    real *y = plain, *da = dx + C * KP;
    for (int64_t i = 0; p.beta.base && i < count * n; i++) {
      const real* v = at(p.v, from * n + i);
      real sum = 0;
      for (int64_t j = 0; j < V; j++) sum += y[i * VP + j] * v[j];
      if (erases()) {
        const real* a = at(erase(), from * n + i);
        for (int64_t j = 0; j < K; j++) sum += da[i * KP + j] * a[j];
      }
      *at(p.dbeta, from * n + i) = sum;
    }
    if (p.beta.base) {
      scale_rows(N, VP, y, VP, factor);
      if (erases()) scale_rows(N, KP, da, KP, factor);
    }
    if (p.delta)
      for (int64_t i = 0; i < N * KP; i += LANES) Full{}.store(dk + i, Full{}.load(dk + i) + Full{}.load(da + i));
    store(p.dv, from * n, count * n, V, y, VP);
    store(p.dk, from * n, count * n, K, dk, KP);
    if (p.erase.base && !p.delta) store(p.derase, from * n, count * n, K, da, KP);
  }
};

extern "C" void backward(const Problem* p, int64_t begin, int64_t end) {
  const int64_t state = p->keys * p->values;
  for (int64_t row = begin; row < end; row++) {
    Back c(*p, row);
    load_state(p->grad_last + row * state, c.K, c.V, c.VP, c.s);
    for (int64_t m = c.chunks() - 1; m >= 0; m--) c.backward(m);
    store_state(p->grad_first + row * state, c.K, c.V, c.VP, c.s);
  }
}
