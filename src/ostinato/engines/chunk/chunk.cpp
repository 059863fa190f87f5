// The recurrence of a matrix state in chunks; chunkwise.py has the equations.
//
// One thread takes some heads through time, chunk after chunk, since what they read lies side by side. Everything of a
// chunk and the states of these heads lie in the cache. Rows that read the state, q and the erase keys, stand in one
// block, and so do the gradients of what they read. No inverse is made: N is found row after row. `Decay`, of
// shared_decay.h or key_decay.h, says how what was written grows less.
#include "head.h"

struct Chunk : Head {
  static constexpr int64_t STATES = 1 << 17, MOST_HEADS = 8;  // bytes, and how many
  const int64_t team;  // heads that go through time together
  Decay decay;
  Buffer x, k, w, z, news, factor, states;
  real* s;

  explicit Chunk(const Problem& p)
      : Head(p), team(std::clamp<int64_t>(STATES / (KP * VP * sizeof(real)), 1, MOST_HEADS)), decay(*this),
        x((C + NP) * KP), k(NP * KP), w(reads * NP), z((C + N) * VP), news(NP * VP), factor(NP),
        states(team * KP * VP) {}

  void visit(int64_t r, int64_t m) {
    Head::visit(r, m);
    s = states + r % team * KP * VP;
  }
  void load_state(const real* from, int64_t index, real* to) const {
    for (int64_t i = 0; i < K; i++) std::copy_n(from + (index * K + i) * V, V, to + i * VP);
  }
  void store_state(real* to, int64_t index) const {
    for (int64_t i = 0; i < K; i++) std::copy_n(s + i * VP, V, to + (index * K + i) * V);
  }

  // q, erase keys and k of a chunk, decays, and the weights of reading.
  void prepare() {
    load(p.q, 1, K, x, KP, [&](int64_t) { return p.scale; });
    load(p.k, n, K, k, KP);
    for (int64_t i = 0; i < N; i++)
      factor[i] = i >= count * n ? real(0) : p.beta.base ? *at(p.beta, from * n + i) : real(1);
    if (erases()) load(erase(), n, K, x + C * KP, KP, [&](int64_t i) { return -factor[i]; });
    decay.prepare();
    decay.scores(x, k, w);
  }

  void forward() {
    if (p.starts) store_state(p.starts, place());
    prepare();
    load(p.v, n, V, news, VP, [&](int64_t i) { return factor[i]; });
    if (erases()) {
      product(N, {news, VP, V, &ONE_TIME}, [&](int64_t i, int64_t) { return decay.reading(C + i, x, s); });
      solve();
    }
    product(C, {z, VP, V}, [&](int64_t i, int64_t end) -> Terms {
      return {decay.reading(i, x, s), {{w + i * NP, NP, 1}, news, VP, 0, end * n}};
    });
    store(p.o, 1, V, z, VP);
    if (p.written) {
      real* to = p.written + place() * N * V;
      for (int64_t i = 0; i < N; i++) std::copy_n(news + i * VP, V, to + i * V);
    }
    decay.write(k, news, s);
  }

  // N from (I + A) N = news, in place; the weights of erase keys are −A.
  void solve() {
    const real* a = w + C * NP;
    const auto subtract = [&](int64_t i, int64_t end, int64_t from, int64_t to) {
      product(end - i, {news + i * VP, VP, V, &ONE_TIME}, [&](int64_t, int64_t) {
        return Term{{a + i * NP, NP, 1}, news, VP, from, to};
      });
    };
    for (int64_t i = 0; i < N; i += GROUP) {
      const int64_t end = std::min(i + GROUP, N);
      subtract(i, end, 0, i);
      for (int64_t r = i + 1; r < end; r++) subtract(r, r + 1, i, r);
    }
  }

  // The same with the transposed matrix, from the last row to the first.
  void solve_back(real* y) {
    const real* a = w + C * NP;
    const auto subtract = [&](int64_t i, int64_t end, int64_t from, int64_t to) {
      product(end - i, {y + i * VP, VP, V, &ONE_TIME}, [&](int64_t, int64_t) {
        return Term{{a + i, 1, NP}, y, VP, from, to};
      });
    };
    for (int64_t i = (N - 1) / GROUP * GROUP; i >= 0; i -= GROUP) {
      const int64_t end = std::min(i + GROUP, N);
      subtract(i, end, end, N);
      for (int64_t r = end - 2; r >= i; r--) subtract(r, r + 1, r + 1, end);
    }
  }
};

// Gradients of a chunk; `s` holds that of the state behind it, `flow` Σ_v S ∂S for every key of that state.
struct Back : Chunk {
  Buffer turned, dx, dk, weights, written, erased, flows;  // written, erased: of β what either part has
  real* flow;

  explicit Back(const Problem& p)
      : Chunk(p), turned(VP * std::max(KP, NP)), dx((C + NP) * KP), dk(NP * KP), weights(reads * NP), written(NP),
        erased(NP), flows(team * KP) {
    prefetch.far = true;
  }

  void visit(int64_t r, int64_t m) {
    Chunk::visit(r, m);
    flow = flows + r % team * KP;
  }
  void flows_through(const real* state) { row_products(K, V, state, V, s, VP, flow); }

  void backward() {
    const real* start = p.starts + place() * K * V;
    prepare();
    load_written();
    load(p.o, 1, V, z, VP);
    gradient_of_written();
    transpose(N, V, news, VP, turned, NP);
    triangle(z, V, turned, weights);
    transpose(K, V, start, V, turned, KP);
    decay.to_rows(z, turned, weights, k, dx);
    transpose(K, V, s, VP, turned, KP);
    decay.to_columns(news, turned, weights, x, dk);
    decay.gates(x, dx, k, dk, flow);
    put_out();
    decay.write_back(x, z, s);
    flows_through(start);
  }

  // What nothing was taken out of is β v.
  void load_written() {
    if (!erases()) return load(p.v, n, V, news, VP, [&](int64_t i) { return factor[i]; });
    for (int64_t i = 0; i < N; i++) std::copy_n(p.written + (place() * N + i) * V, V, news + i * VP);
  }

  // dN behind the gradient of o in z, solved: the gradient of β v.
  void gradient_of_written() {
    real* y = z + C * VP;
    product(N, {y, VP, V}, [&](int64_t r, int64_t) -> Terms {
      return {decay.reading_back(r, k, s), {{w + r, 1, NP}, z, VP, r / n, C}};
    });
    if (erases()) solve_back(y);
  }

  void put_out() {
    const real* y = z + C * VP;
    real* da = dx + C * KP;
    if (p.beta.base) gradient_of_beta(y, da);
    store(p.dq, 1, K, dx, KP, [&](int64_t) { return p.scale; });
    store(p.dv, n, V, y, VP, [&](int64_t i) { return factor[i]; });
    if (p.delta)
      for (int64_t i = 0; i < N; i++)
        for (int64_t j = i * KP; j < (i + 1) * KP; j += LANES)
          Full{}.store(dk + j, Full{}.load(dk + j) - Full{}.load(da + j) * factor[i]);
    else if (erases())
      store(p.derase, n, K, da, KP, [&](int64_t i) { return -factor[i]; });
    store(p.dk, n, K, dk, KP);
  }

  void gradient_of_beta(const real* y, const real* da) {
    const auto rows_with = [&](const Port& port, int64_t columns, const real* with, int64_t ld, real* to) {
      row_products(count * n, columns, at(port, from * n), port.time, with, ld, to);
    };
    rows_with(p.v, V, y, VP, written);
    if (erases()) rows_with(erase(), K, da, KP, erased);
    for (int64_t i = 0; i < count * n; i++) *at(p.dbeta, from * n + i) = written[i] - erased[i];
  }
};

extern "C" void forward(const Problem* p, int64_t begin, int64_t end) {
  Chunk c(*p);
  for (int64_t first = begin; first < end; first += c.team) {
    const int64_t last = std::min(first + c.team, end);
    for (int64_t row = first; row < last; row++) c.visit(row, 0), c.load_state(p->first, row, c.s);
    for (int64_t m = 0; m < c.chunks; m++)
      for (int64_t row = first; row < last; row++) {
        c.visit(row, m);
        row + 1 < last ? c.fetch(row + 1, m) : c.fetch(first, m + 1);
        c.forward();
      }
    for (int64_t row = first; row < last; row++) c.visit(row, 0), c.store_state(p->last, row);
  }
}

extern "C" void backward(const Problem* p, int64_t begin, int64_t end) {
  Back c(*p);
  for (int64_t first = begin; first < end; first += c.team) {
    const int64_t last = std::min(first + c.team, end);
    for (int64_t row = first; row < last; row++) {
      c.visit(row, 0);
      c.load_state(p->grad_last, row, c.s);
      c.flows_through(p->last + row * c.K * c.V);
    }
    for (int64_t m = c.chunks - 1; m >= 0; m--)
      for (int64_t row = first; row < last; row++) {
        c.visit(row, m);
        row + 1 < last ? c.fetch(row + 1, m) : c.fetch(first, m - 1);
        c.backward();
      }
    for (int64_t row = first; row < last; row++) c.visit(row, 0), c.store_state(p->grad_first, row);
  }
}
