// A decay of its own for every key. No factor is above 1: time goes by in blocks of as many rows as a register has
// lanes, and what lies outside a block is decayed until its beginning, or since its end, when the block is reached.
#pragma once
#include "head.h"

struct Decay {
  const Head& d;
  const int64_t KP, NP;
  Buffer g, alpha;      // of steps; g holds its gradient in the end, alpha is e^g
  Buffer over, beyond;  // decay over a block; from the chunk's border to the block
  Buffer keys;          // transposed, decayed to the end of the block
  Buffer moved, flow;

  explicit Decay(const Head& d)
      : d(d), KP(d.KP), NP(d.NP), g(d.C * KP), alpha(d.C * KP), over(KP), beyond(KP), keys(KP * NP),
        moved((d.C + NP) * KP), flow(KP) {}

  struct Block {
    int64_t from, to, steps_from, steps_to;  // rows, and steps that read in them
  };
  Block block(int64_t from) const {
    const int64_t to = std::min(from + LANES, d.N);
    return {from, to, from / d.n, to / d.n};
  }
  Block behind(const Block& b) const { return {b.to, d.N, b.steps_to, d.C}; }
  Block whole() const { return {0, d.N, 0, d.C}; }

  // A row of time: the first of a step decays, its last is behind all that q reads, and each may erase before it is
  // written. No decay: null; no place among the rows that read: −1.
  struct Row { const real* decay; int64_t q, a; };
  void rows(const Block& b, Row* to) const {
    std::fill_n(to, LANES, Row{nullptr, -1, -1});
    for (int64_t r = b.from; r < b.to; r++) {
      const int64_t i = r / d.n, of_step = r - i * d.n;
      to[r - b.from] = {of_step ? nullptr : alpha + i * KP, of_step == d.n - 1 ? i : -1, d.erases() ? d.C + r : -1};
    }
  }

  void prepare() {
    d.load(d.p.g, 1, d.K, g, KP);
    for (int64_t j = 0; j < d.C * KP; j += LANES) Full{}.store(alpha + j, exp_(Full{}.load(g + j)));
  }

  // Rows of a block that read, times the decay since its beginning; `over` is that of all of it.
  void since(const Block& b, const real* x, real* to) {
    std::fill_n(over.at, KP, real(1));
    for (int64_t r = b.from; r < b.to; r++) {
      const int64_t i = r / d.n, of_step = r - i * d.n;
      if (!of_step) multiply(KP, over, alpha + i * KP, over);
      if (of_step == d.n - 1) multiply(KP, x + i * KP, over, to + i * KP);
      if (d.erases()) multiply(KP, x + (d.C + r) * KP, over, to + (d.C + r) * KP);
    }
  }
  // The same rows times one factor for all of them.
  void scale(const Block& b, real* x, const real* factor) const {
    for (int64_t i = b.steps_from; i < b.steps_to; i++) multiply(KP, x + i * KP, factor, x + i * KP);
    for (int64_t r = b.from; r < b.to && d.erases(); r++)
      multiply(KP, x + (d.C + r) * KP, factor, x + (d.C + r) * KP);
  }
  // Products of the same rows.
  void product_of(const Block& b, const real* x, int64_t ldx, const real* y, int64_t ldy, real* to, int64_t ld,
                  bool add, Range s) const {
    product(b.steps_to - b.steps_from, {x + b.steps_from * ldx, ldx, 1}, y, ldy, to + b.steps_from * ld, ld, add, s);
    if (d.erases())
      product(b.to - b.from, {x + (d.C + b.from) * ldx, ldx, 1}, y, ldy, to + (d.C + b.from) * ld, ld, add, s);
  }

  void scores(const real* x, const real* k, real* w) {
    std::fill_n(w, d.reads * NP, real(0));
    for (int64_t from = 0; from < d.N; from += LANES) {
      const Block b = block(from);
      if (from) {
        since(b, x, moved);
        product_of(b, moved, KP, keys, NP, w, NP, false, Range{0, d.K, from});
        for (int64_t c = 0; c < d.K; c++) scale_all(1, from, keys + c * NP, NP, over[c]);
      }
      own_scores(b, x, k, w);
    }
    for (int64_t i = 0; i < d.reads; i++) std::fill(w + i * NP + d.seen(i), w + (i + 1) * NP, real(0));
  }

  // Inside a block: a register holds one number of all its keys, each decayed from where it was written on.
  void own_scores(const Block& b, const real* x, const real* k, real* w) {
    Row rows[LANES];
    this->rows(b, rows);
    vec lane;
    for (int64_t l = 0; l < LANES; l++) lane[l] = l;
    for (int64_t c = 0; c < KP; c += LANES) {
      vec key[LANES];
      for (int64_t r = 0; r < LANES; r++) key[r] = Full{}.load(k + (b.from + r) * KP + c);
      turn<LANES / 2>(key);
      for (int64_t r = 0; r < b.to - b.from; r++) {
        const Row row = rows[r];
        const auto written = lane < splat(r);
        if (row.decay) {
#pragma GCC unroll 16
          for (int64_t l = 0; l < LANES; l++) key[l] = written ? key[l] * row.decay[c + l] : key[l];
        }
        if (row.q >= 0) read(key, x + row.q * KP + c, w + row.q * NP + b.from);
        if (row.a >= 0) read(key, x + row.a * KP + c, w + row.a * NP + b.from);
      }
      for (int64_t l = 0; l < LANES; l++) Full{}.store(keys + (c + l) * NP + b.from, key[l]);
    }
  }
  INLINE void read(const vec* key, const real* x, real* w) {
    vec sum = Full{}.load(w);
#pragma GCC unroll 16
    for (int64_t l = 0; l < LANES; l++) sum += x[l] * key[l];
    Full{}.store(w, sum);
  }

  void enter(real* x) { since(whole(), x, x); }
  void write(const real*, const real* news, real* s) const {
    scale_rows(d.K, d.VP, s, d.VP, over);
    product(d.K, {keys, NP, 1}, news, d.VP, s, d.VP, true, Range{0, d.N, d.V});
  }

  void read_back(const real*, const real* ds, real* y) const {
    product(d.N, {keys, 1, NP}, ds, d.VP, y, d.VP, false, Range{0, d.K, d.V});
  }

  // `moved` holds the keys written before a block, decayed to its beginning.
  void to_rows(const real* w, const real* k, real* dx) {
    std::fill_n(beyond.at, KP, real(1));
    for (int64_t from = 0; from < d.N; from += LANES) {
      const Block b = block(from);
      if (from) {
        scale(b, dx, beyond);
        product_of(b, w, NP, moved, KP, dx, KP, true, Range{0, from, d.K});
      }
      own_rows(b, w, k, dx);
      for (int64_t r = 0; r < from; r++) multiply(KP, moved + r * KP, over, moved + r * KP);
      multiply(KP, beyond, over, beyond);
    }
  }
  void own_rows(const Block& b, const real* w, const real* k, real* dx) {
    Row rows[LANES];
    this->rows(b, rows);
    w += b.from;
    for (int64_t c = 0; c < KP; c += LANES) {
      vec key[LANES], since = splat(1);
#pragma GCC unroll 16
      for (int64_t r = 0; r < LANES; r++) {
        key[r] = Full{}.load(k + (b.from + r) * KP + c);
        const Row row = rows[r];
        if (row.decay) {
          const vec decay = Full{}.load(row.decay + c);
          since *= decay;
#pragma GCC unroll 16
          for (int64_t j = 0; j < r; j++) key[j] *= decay;
        }
        if (row.q >= 0) {
          vec sum = Full{}.load(dx + row.q * KP + c) * since;
#pragma GCC unroll 16
          for (int64_t j = 0; j <= r; j++) sum += w[row.q * NP + j] * key[j];
          Full{}.store(dx + row.q * KP + c, sum);
        }
        if (row.a >= 0) {
          vec sum = Full{}.load(dx + row.a * KP + c) * since;
#pragma GCC unroll 16
          for (int64_t j = 0; j < r; j++) sum += w[row.a * NP + j] * key[j];
          Full{}.store(dx + row.a * KP + c, sum);
        }
      }
      Full{}.store(over + c, since);
      for (int64_t r = 0; r < LANES; r++) Full{}.store(moved + (b.from + r) * KP + c, key[r]);
    }
  }

  // `moved` holds the rows that read behind a block, decayed since its end; in the end since the chunk's beginning.
  void to_columns(const real* w, const real* x, real* dk) {
    std::fill_n(beyond.at, KP, real(1));
    for (int64_t from = (d.N - 1) / LANES * LANES; from >= 0; from -= LANES) {
      const Block b = block(from);
      real* to = dk + from * KP;
      if (b.to < d.N) {
        for (int64_t r = from; r < b.to; r++) multiply(KP, dk + r * KP, beyond, dk + r * KP);
        product(b.to - from, {w + from, 1, NP}, moved, KP, to, KP, true, Range{b.steps_to, d.C, d.K});
        if (d.erases())
          product(b.to - from, {w + d.C * NP + from, 1, NP}, moved + d.C * KP, KP, to, KP, true,
                  Range{b.to, d.N, d.K});
      }
      own_columns(b, w, x, dk);
      since(b, x, moved);
      scale(behind(b), moved, over);
      multiply(KP, beyond, over, beyond);
    }
  }
  void own_columns(const Block& b, const real* w, const real* x, real* dk) {
    Row rows[LANES];
    this->rows(b, rows);
    w += b.from, dk += b.from * KP;
    for (int64_t c = 0; c < KP; c += LANES) {
      vec sum[LANES];
      for (int64_t j = 0; j < LANES; j++) sum[j] = Full{}.load(dk + j * KP + c);
#pragma GCC unroll 16
      for (int64_t r = LANES - 1; r >= 0; r--) {
        const Row row = rows[r];
        if (row.q >= 0) {
          const vec q = Full{}.load(x + row.q * KP + c);
#pragma GCC unroll 16
          for (int64_t j = 0; j <= r; j++) sum[j] += w[row.q * NP + j] * q;
        }
        if (row.a >= 0) {
          const vec a = Full{}.load(x + row.a * KP + c);
#pragma GCC unroll 16
          for (int64_t j = 0; j < r; j++) sum[j] += w[row.a * NP + j] * a;
        }
        Full{}.store(dk + r * KP + c, sum[r]);
        if (row.decay) {
          const vec decay = Full{}.load(row.decay + c);
#pragma GCC unroll 16
          for (int64_t j = 0; j < r; j++) sum[j] *= decay;
        }
      }
    }
  }
  void write_back(const real*, const real* z, real* ds) const {
    scale_rows(d.K, d.VP, ds, d.VP, beyond);
    product(d.K, {moved, 1, KP}, z, d.VP, ds, d.VP, true, Range{0, d.reads, d.V});
  }

  void gates(const real* x, const real* dx, const real* k, const real* dk, const real* last, const real* ds) {
    for (int64_t i = 0; i < d.K; i++) flow[i] = lanes_sum(products(d.VP, last + i * d.VP, ds + i * d.VP));
    for (int64_t c = 0; c < KP; c += LANES) {
      vec sum = Full{}.load(flow + c);
      const auto both = [&](const real* x, const real* y, int64_t row) {
        return Full{}.load(x + row * KP + c) * Full{}.load(y + row * KP + c);
      };
      for (int64_t i = d.C - 1; i >= 0; i--) {
        sum += both(x, dx, i);
        for (int64_t r = i * d.n; r < (i + 1) * d.n; r++) {
          sum -= both(k, dk, r);
          if (d.erases()) sum += both(x, dx, d.C + r);
        }
        Full{}.store(g + i * KP + c, sum);
      }
    }
    d.store(d.p.dg, 1, d.K, g, KP);
  }
};
