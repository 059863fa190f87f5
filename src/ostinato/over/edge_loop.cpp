// States on the edges of a graph, one lane of the batch after the other, so that those of a lane stay in the cache.
//
// What stands before this text says what `real` is. In a lane, for edge e from node n and its pairs p = (e' → e):
//   C_e[j] = Σ_u S_e[j,u] k_n[u] v_n[u]ᵀ + Σ_p Σ_i T_p[j,i] C_e'[i],   h_m[w] += Σ_j M_e[w,j] C_e[j]ᵀ q_m[w]
#include <cstdint>
#include <vector>

template <class T>
struct Port {
  T* base;
  int64_t lane, row;  // from one to the next; a row is contiguous
  T* at(int64_t l, int64_t r) const { return base + l * lane + r * row; }
};

struct Pairs {  // of edge e: numbers[first[e]] … numbers[first[e + 1] − 1], and the edges that they lead from or to
  const int64_t *first, *numbers, *others;
};

struct Problem {
  int64_t edges, nodes, keys, values, states, written, read;  // E, N, K, V, J, U, W
  const int64_t *order, *leaves, *enters;                     // edges in order; the nodes of an edge
  const int64_t *sources, *turns, *marks;                     // rows of S and M of an edge, of T of a pair
  Pairs before, after;
  Port<const real> q, k, v, s, t, m;
  Port<real> h;                       // made; or, for a gradient, its own, and
  Port<real> dq, dk, dv, ds, dt, dm;  // these are made
  int64_t backward;
};

// Keys and values of N elements, or of any number if N is 0; of one state, key, value and query if ONE.
template <int64_t N, bool ONE>
struct Lane {
  const Problem& p;
  const int64_t lane;
  real *c, *dc;  // (E, J, K, V)
  const int64_t K = N ? N : p.keys, V = N ? N : p.values, F = K * V;
  const int64_t J = ONE ? 1 : p.states, U = ONE ? 1 : p.written, W = ONE ? 1 : p.read;

  static void add(int64_t n, real factor, const real* x, real* __restrict y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] += factor * x[i];
  }
  static real dot(int64_t n, const real* x, const real* y) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
  }
  // y += factor · x zᵀ
  void outer(real factor, const real* x, const real* z, real* y) const {
    for (int64_t a = 0; a < K; a++) add(V, factor * x[a], z, y + a * V);
  }
  // y += factor · Cᵀ x
  void contract(real factor, const real* x, const real* state, real* y) const {
    for (int64_t a = 0; a < K; a++) add(V, factor * x[a], state + a * V, y);
  }
  // y += factor · C z; returns xᵀ C z, the gradient of the factor.
  real weigh(real factor, const real* x, const real* z, const real* state, real* __restrict y) const {
    real sum = 0;
    for (int64_t a = 0; a < K; a++) {
      real found = 0;
      // A few numbers are added up faster one after the other, for all a at once.
      if (N)
        for (int64_t b = 0; b < N; b++) found += state[a * N + b] * z[b];
      else
        found = dot(V, state + a * V, z);
      y[a] += factor * found;
      sum += x[a] * found;
    }
    return sum;
  }

  void states() const {
    for (int64_t x = 0; x < p.edges; x++) {
      const int64_t e = p.order[x], n = p.leaves[e];
      const real *s = p.s.at(lane, p.sources[e]), *k = p.k.at(lane, n), *v = p.v.at(lane, n);
      real* to = c + e * J * F;
      for (int64_t i = 0; i < J * F; i++) to[i] = 0;
      for (int64_t j = 0; j < J; j++)
        for (int64_t u = 0; u < U; u++) outer(s[j * U + u], k + u * K, v + u * V, to + j * F);
      for (int64_t y = p.before.first[e]; y < p.before.first[e + 1]; y++) {
        const real *t = p.t.at(lane, p.turns[p.before.numbers[y]]), *from = c + p.before.others[y] * J * F;
        for (int64_t j = 0; j < J; j++)
          for (int64_t i = 0; i < J; i++) add(F, t[j * J + i], from + i * F, to + j * F);
      }
    }
  }

  void read() const {
    for (int64_t n = 0; n < p.nodes; n++)
      for (int64_t i = 0; i < W * V; i++) p.h.at(lane, n)[i] = 0;
    for (int64_t e = 0; e < p.edges; e++) {
      const int64_t n = p.enters[e];
      const real *m = p.m.at(lane, p.marks[e]), *q = p.q.at(lane, n);
      real* h = p.h.at(lane, n);
      for (int64_t w = 0; w < W; w++)
        for (int64_t j = 0; j < J; j++) contract(m[w * J + j], q + w * K, c + (e * J + j) * F, h + w * V);
    }
  }

  // Gradients of queries, of marks, and of what was read of every edge.
  void unread() const {
    for (int64_t e = 0; e < p.edges; e++) {
      const int64_t n = p.enters[e];
      const real *m = p.m.at(lane, p.marks[e]), *q = p.q.at(lane, n), *g = p.h.at(lane, n);
      real *dm = p.dm.at(lane, p.marks[e]), *dq = p.dq.at(lane, n), *to = dc + e * J * F;
      for (int64_t i = 0; i < J * F; i++) to[i] = 0;
      for (int64_t w = 0; w < W; w++)
        for (int64_t j = 0; j < J; j++) {
          dm[w * J + j] = weigh(m[w * J + j], q + w * K, g + w * V, c + (e * J + j) * F, dq + w * K);
          outer(m[w * J + j], q + w * K, g + w * V, to + j * F);
        }
    }
  }

  // The same recurrence against the edges, and the gradients of all that made the states.
  void back() const {
    for (int64_t x = p.edges - 1; x >= 0; x--) {
      const int64_t e = p.order[x], n = p.leaves[e];
      real *state = c + e * J * F, *g = dc + e * J * F;
      for (int64_t y = p.after.first[e]; y < p.after.first[e + 1]; y++) {
        const int64_t row = p.turns[p.after.numbers[y]];
        const real *t = p.t.at(lane, row), *later = dc + p.after.others[y] * J * F;
        real* dt = p.dt.at(lane, row);
        for (int64_t j = 0; j < J; j++)
          for (int64_t i = 0; i < J; i++) {
            dt[j * J + i] = dot(F, state + i * F, later + j * F);
            add(F, t[j * J + i], later + j * F, g + i * F);
          }
      }
      const real *s = p.s.at(lane, p.sources[e]), *k = p.k.at(lane, n), *v = p.v.at(lane, n);
      real *ds = p.ds.at(lane, p.sources[e]), *dk = p.dk.at(lane, n), *dv = p.dv.at(lane, n);
      for (int64_t j = 0; j < J; j++)
        for (int64_t u = 0; u < U; u++) {
          ds[j * U + u] = weigh(s[j * U + u], k + u * K, v + u * V, g + j * F, dk + u * K);
          contract(s[j * U + u], k + u * K, g + j * F, dv + u * V);
        }
    }
  }

  void run() const {
    states();
    if (!p.backward) return read();
    unread();
    back();
  }
};

template <int64_t N, bool ONE>
static void run(const Problem& p, int64_t begin, int64_t end) {
  std::vector<real> room(p.edges * p.states * p.keys * p.values * (p.backward ? 2 : 1));
  real* c = room.data();
  for (int64_t lane = begin; lane < end; lane++) Lane<N, ONE>{p, lane, c, c + room.size() / 2}.run();
}

// The lanes from `begin` on; called by threads.cpp.
extern "C" void part(const Problem* const* problem, const int64_t*, int64_t, int64_t begin, int64_t end, void*,
                     int64_t) {
  const Problem& p = **problem;
  const bool one = p.states == 1 && p.written == 1 && p.read == 1;
  // Short runs are worth code of their own.
  return one && p.keys == 4 && p.values == 4 ? run<4, true>(p, begin, end) : run<0, false>(p, begin, end);
}
