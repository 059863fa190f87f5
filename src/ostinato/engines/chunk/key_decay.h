// A decay of its own for every key. No factor is above 1: time goes by in blocks of as many rows as a register has
// lanes, and between a block and the rows behind it decay is split at the end of the block.
#pragma once
#include "head.h"

// What holds a block in registers stands alone: joined to its caller it runs out of those for addresses.
#define ALONE __attribute__((noinline))
#define INNER inline __attribute__((always_inline))

struct Decay {
  // A row that is written: the step that decays before it, and the places of the rows that read, of the erase key
  // before it and of q behind it; −1: none.
  struct Row { int64_t step, a, q; };

  Head& d;
  const int64_t KP, NP;
  Buffer alpha;         // e^g of steps
  Buffer over, ends;    // decay over a block; from the beginning of every block to the end of the chunk
  Buffer keys;          // transposed, decayed to the end of the chunk
  Buffer readers;       // of every block the rows that read in it or behind it, decayed since its beginning
  std::vector<Row> rows;

  explicit Decay(Head& d)
      : d(d), KP(d.KP), NP(d.NP), alpha(d.C * KP), over(KP), ends((NP / LANES + 1) * KP), keys(KP * NP),
        readers(NP / LANES * d.reads * KP), rows(NP, Row{-1, -1, -1}) {
    for (int64_t r = 0; r < d.N; r++)
      rows[r] = {r % d.n ? -1 : r / d.n, d.erases() ? d.C + r : -1, (r + 1) % d.n ? -1 : r / d.n};
  }

  void prepare() {
    for (int64_t i = 0; i < d.C; i++) {
      real* row = alpha + i * KP;
      if (i < d.count) std::copy_n(d.at(d.p.g, d.from + i), d.K, row);
      std::fill(row + (i < d.count ? d.K : 0), row + KP, real(0));
      for (int64_t c = 0; c < KP; c += LANES) Full{}.store(row + c, exp_(Full{}.load(row + c)));
    }
  }

  // From row `from` on, the first of a block or the end.
  real* beyond(int64_t from) const { return ends + from / LANES * KP; }
  real* moved(int64_t from) const { return readers + from / LANES * d.reads * KP; }

  // Blocks from the last to the first.
  void scores(const real* x, const real* k, real* w) {
    std::fill_n(w, d.reads * NP, real(0));
    std::fill_n(beyond(NP), KP, real(1));
    for (int64_t from = NP - LANES; from >= 0; from -= LANES) {
      scores_of(from, x, k, w + from);
      move(from, x);
    }
  }
  void move(int64_t from, const real* x) {
    std::fill_n(over.at, KP, real(1));
    const auto decayed = [&](int64_t row, const real* x) {
      if (row >= 0) multiply(KP, x + row * KP, over, moved(from) + row * KP);
    };
    for (int64_t r = from; r < from + LANES; r++) {
      if (rows[r].step >= 0) multiply(KP, over, alpha + rows[r].step * KP, over);
      decayed(rows[r].a, x), decayed(rows[r].q, x);
    }
    const int64_t end = from + LANES;
    for (int64_t r = end; r < d.N; r++) decayed(rows[r].a, moved(end)), decayed(rows[r].q, moved(end));
    multiply(KP, beyond(end), over, beyond(from));
  }

  // A register holds one number of all keys of a block, each decayed from where it was written on.
  ALONE void scores_of(int64_t from, const real* x, const real* k, real* w) {
    vec lane;
    for (int64_t l = 0; l < LANES; l++) lane[l] = l;
    const auto all = lane < splat(LANES);
    const real *behind = moved(from + LANES), *rest = beyond(from + LANES);
    for (int64_t c = 0; c < KP; c += LANES) {
      vec key[LANES];
      for (int64_t r = 0; r < LANES; r++) key[r] = Full{}.load(k + (from + r) * KP + c);
      turn<LANES / 2>(key);
      for (int64_t r = 0; r < LANES; r++) {
        const Row& row = rows[from + r];
        const auto written = lane < splat(r);
        if (row.step >= 0) {
          const real* decay = alpha + row.step * KP + c;
#pragma GCC unroll 16
          for (int64_t l = 0; l < LANES; l++) key[l] = written ? key[l] * decay[l] : key[l];
        }
        read(row.a, written, key, x + c, w);
        read(row.q, lane <= splat(r), key, x + c, w);
      }
      for (int64_t r = from + LANES; r < d.N; r++)
        read(rows[r].a, all, key, behind + c, w), read(rows[r].q, all, key, behind + c, w);
      for (int64_t l = 0; l < LANES; l++) Full{}.store(keys + (c + l) * NP + from, key[l] * rest[c + l]);
    }
  }
  template <class M>
  INNER void read(int64_t row, M seen, const vec* key, const real* x, real* w) const {
    if (row < 0) return;
    vec sum = Full{}.load(w + row * NP);
#pragma GCC unroll 16
    for (int64_t l = 0; l < LANES; l++) sum += x[row * KP + l] * key[l];
    Full{}.store(w + row * NP, seen ? sum : vec{});
  }

  Term reading(int64_t i, const real*, const real* s) const {
    return {{moved(0) + i * KP, KP, 1}, s, d.VP, 0, d.K};
  }
  void write(const real*, const real* news, real* s) const {
    d.product(d.K, {s, d.VP, d.V, beyond(0), 1}, [&](int64_t i, int64_t) {
      return Term{{keys + i * NP, NP, 1}, news, d.VP, 0, d.N};
    });
  }

  Term reading_back(int64_t i, const real*, const real* ds) const {
    return {{keys + i, 1, NP}, ds, d.VP, 0, d.K};
  }

  // Rows behind a block: what they have of the blocks before it, and of the state, decays over it.
  void to_rows(const real* z, const real* state, const real* w, const real* k, real* dx) const {
    d.product(d.reads, {dx, KP, d.K}, [&](int64_t i, int64_t) {
      return Term{{z + i * d.VP, d.VP, 1}, state, KP, 0, d.V};
    });
    for (int64_t from = 0; from < d.N; from += LANES) to_rows_of(from, w + from, k + from * KP, dx);
  }
  ALONE void to_rows_of(int64_t from, const real* w, const real* k, real* dx) const {
    for (int64_t c = 0; c < KP; c += LANES) {
      vec key[LANES], since = splat(1);
#pragma GCC unroll 16
      for (int64_t r = 0; r < LANES; r++) {
        const Row& row = rows[from + r];
        key[r] = Full{}.load(k + r * KP + c);
        if (row.step >= 0) {
          const vec decay = Full{}.load(alpha + row.step * KP + c);
          since *= decay;
#pragma GCC unroll 16
          for (int64_t j = 0; j < r; j++) key[j] *= decay;
        }
        add_keys(r, row.a, w, key, since, dx + c);
        add_keys(r + 1, row.q, w, key, since, dx + c);
      }
      for (int64_t r = from + LANES; r < d.N; r++)
        add_keys(LANES, rows[r].a, w, key, since, dx + c), add_keys(LANES, rows[r].q, w, key, since, dx + c);
    }
  }
  INNER void add_keys(int64_t count, int64_t row, const real* w, const vec* key, vec since, real* dx) const {
    if (row < 0) return;
    vec sum = Full{}.load(dx + row * KP) * since;
#pragma GCC unroll 16
    for (int64_t j = 0; j < count; j++) sum += w[row * NP + j] * key[j];
    Full{}.store(dx + row * KP, sum);
  }

  void to_columns(const real* news, const real* state, const real* w, const real* x, real* dk) const {
    d.product(d.N, {dk, KP, d.K}, [&](int64_t r, int64_t) {
      return Term{{news + r * d.VP, d.VP, 1}, state, KP, 0, d.V};
    });
    for (int64_t from = 0; from < d.N; from += LANES) to_columns_of(from, w + from, x, dk + from * KP);
  }
  // From the last row to the first, the gradients of all keys before a row decay together.
  ALONE void to_columns_of(int64_t from, const real* w, const real* x, real* dk) const {
    const real *behind = moved(from + LANES), *rest = beyond(from + LANES);
    for (int64_t c = 0; c < KP; c += LANES) {
      vec sum[LANES];
      for (int64_t j = 0; j < LANES; j++) sum[j] = Full{}.load(dk + j * KP + c) * Full{}.load(rest + c);
      for (int64_t r = from + LANES; r < d.N; r++)
        add_row(LANES, rows[r].a, w, behind + c, sum), add_row(LANES, rows[r].q, w, behind + c, sum);
#pragma GCC unroll 16
      for (int64_t r = LANES - 1; r >= 0; r--) {
        const Row& row = rows[from + r];
        add_row(r + 1, row.q, w, x + c, sum);
        add_row(r, row.a, w, x + c, sum);
        Full{}.store(dk + r * KP + c, sum[r]);
        if (row.step >= 0) {
          const vec decay = Full{}.load(alpha + row.step * KP + c);
#pragma GCC unroll 16
          for (int64_t j = 0; j < r; j++) sum[j] *= decay;
        }
      }
    }
  }
  INNER void add_row(int64_t count, int64_t row, const real* w, const real* x, vec* sum) const {
    if (row < 0) return;
    const vec all = Full{}.load(x + row * KP);
#pragma GCC unroll 16
    for (int64_t j = 0; j < count; j++) sum[j] += w[row * NP + j] * all;
  }
  void write_back(const real*, const real* z, real* ds) const {
    d.product(d.K, {ds, d.VP, d.V, beyond(0), 1}, [&](int64_t i, int64_t) {
      return Term{{moved(0) + i, 1, KP}, z, d.VP, 0, d.reads};
    });
  }

  // From what flows through every key of the state behind the chunk.
  void gates(const real* x, const real* dx, const real* k, const real* dk, const real* flow) const {
    for (int64_t c = 0; c < d.K; c += LANES)
      d.K - c < LANES ? gates_of(c, Part{d.K - c}, x, dx, k, dk, flow) : gates_of(c, Full{}, x, dx, k, dk, flow);
  }
  template <class L>
  void gates_of(int64_t c, L lane, const real* x, const real* dx, const real* k, const real* dk,
                const real* flow) const {
    const auto both = [&](const real* x, const real* y, int64_t row) {
      return Full{}.load(x + row * KP + c) * Full{}.load(y + row * KP + c);
    };
    vec sum = Full{}.load(flow + c);
    for (int64_t i = d.C - 1; i >= 0; i--) {
      vec step = both(x, dx, i);
      for (int64_t r = i * d.n; r < (i + 1) * d.n; r++) {
        step -= both(k, dk, r);
        if (d.erases()) step += both(x, dx, d.C + r);
      }
      sum += step;
      if (i < d.count) lane.store(d.at(d.p.dg, d.from + i) + c, sum);
    }
  }
};
