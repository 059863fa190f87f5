// A decay of its own for every key. No factor is above 1: time goes by in blocks of few rows, and what lies outside a
// block is decayed until its beginning, or since its end, when the block is reached.
//
// Each of the n rows of a step decays by itself here; only the first does by more than nothing, and the last reads.
#pragma once
#include "head.h"

struct Decay {
  static constexpr int64_t SOME = 4;

  const Head& d;
  const int64_t KP, NP;
  Buffer alpha, since, until;  // e^g of rows; since the beginning of the block, its row included; until its end
  Buffer beyond;               // e^Γ from the chunk's border to the block
  Buffer keys;                 // transposed, decayed to the end of the block
  Buffer moved, weights, nothing, nowhere, flow;

  explicit Decay(const Head& d)
      : d(d), KP(d.KP), NP(d.NP), alpha(NP * KP), since(NP * KP), until(NP * KP), beyond(KP), keys(KP * NP),
        moved((d.C + NP) * KP), weights(NP), nothing(KP), nowhere(KP), flow(KP) {}

  struct Block {
    int64_t from, to, steps_from, steps_to;  // rows, and steps that read in them
    int64_t steps() const { return steps_to - steps_from; }
  };
  Block block(int64_t from) const {
    const int64_t to = std::min(from + SOME, d.N);
    return {from, to, from / d.n, to / d.n};
  }
  const real* over(const Block& b) const { return since + (b.to - 1) * KP; }
  void past(const Block& b) { multiply(KP, beyond, over(b), beyond); }

  // Of the row r of a block what lies at q's place for it, and at that of an erase key; else `none`.
  template <class T>
  T* reading(T* x, int64_t r, int64_t ld, T* none) const {
    return r < d.N && r % d.n == d.n - 1 ? x + r / d.n * ld : none;
  }
  template <class T>
  T* erasing(T* x, int64_t r, int64_t ld, T* none) const {
    return r < d.N && d.erases() ? x + (d.C + r) * ld : none;
  }

  void prepare() {
    for (int64_t r = 0; r < NP; r++) {
      real* row = alpha + r * KP;
      const int64_t i = r / d.n;
      const bool decays = r % d.n == 0 && i < d.count;
      if (decays) std::copy_n(d.at(d.p.g, d.from + i), d.K, row);
      for (int64_t c = 0; c < KP; c += LANES) Full{}.store(row + c, decays ? exp_(Full{}.load(row + c)) : splat(1));
      if (decays) std::fill(row + d.K, row + KP, real(0));
    }
    for (int64_t from = 0; from < NP; from += SOME) {
      std::copy_n(alpha + from * KP, KP, since + from * KP);
      std::fill_n(until + (from + SOME - 1) * KP, KP, real(1));
      for (int64_t r = 1; r < SOME; r++) {
        real *s = since + (from + r) * KP, *u = until + (from + SOME - 1 - r) * KP;
        multiply(KP, s - KP, alpha + (from + r) * KP, s);
        multiply(KP, u + KP, alpha + (from + SOME - r) * KP, u);
      }
    }
  }

  // Rows of a block that read, times a factor for each row.
  void scaled(const Block& b, const real* x, const real* factor, real* to) const {
    for (int64_t i = b.steps_from; i < b.steps_to; i++)
      multiply(KP, x + i * KP, factor + (i * d.n + d.n - 1) * KP, to + i * KP);
    for (int64_t r = b.from; r < b.to && d.erases(); r++)
      multiply(KP, x + (d.C + r) * KP, factor + r * KP, to + (d.C + r) * KP);
  }
  // The same with one factor for all of them.
  void scaled_alike(const Block& b, real* x, const real* factor) const {
    for (int64_t i = b.steps_from; i < b.steps_to; i++) multiply(KP, x + i * KP, factor, x + i * KP);
    for (int64_t r = b.from; r < b.to && d.erases(); r++)
      multiply(KP, x + (d.C + r) * KP, factor, x + (d.C + r) * KP);
  }

  void scores(const real* x, const real* k, real* w) {
    std::fill_n(w, d.reads * NP, real(0));
    std::fill_n(keys.at, KP * NP, real(0));
    for (int64_t from = 0; from < d.N; from += SOME) {
      const Block b = block(from);
      const Range before{0, d.K, from};
      scaled(b, x, since, moved);
      if (from) {
        product(b.steps(), {moved + b.steps_from * KP, KP, 1}, keys, NP, w + b.steps_from * NP, NP, false, before);
        if (d.erases())
          product(b.to - from, {moved + (d.C + from) * KP, KP, 1}, keys, NP, w + (d.C + from) * NP, NP, false, before);
      }
      own_scores(b, x, k, w);
    }
  }

  // Inside a block, whose keys decay on the way; then all keys are decayed to its end.
  void own_scores(const Block& b, const real* x, const real* k, real* w) {
    const real *q[SOME], *a[SOME];
    for (int64_t r = 0; r < SOME; r++) {
      q[r] = reading<const real>(x, b.from + r, KP, nothing), a[r] = erasing<const real>(x, b.from + r, KP, nothing);
    }
    vec read[SOME][SOME] = {}, erased[SOME][SOME] = {};
    for (int64_t c = 0; c < KP; c += LANES) {
      vec key[SOME];
#pragma GCC unroll 4
      for (int64_t r = 0; r < SOME; r++) {
        const vec decay = Full{}.load(alpha + (b.from + r) * KP + c);
        const vec qr = Full{}.load(q[r] + c), ar = Full{}.load(a[r] + c);
        key[r] = Full{}.load(k + (b.from + r) * KP + c);
#pragma GCC unroll 4
        for (int64_t j = 0; j < r; j++) key[j] *= decay, erased[r][j] += ar * key[j];
#pragma GCC unroll 4
        for (int64_t j = 0; j <= r; j++) read[r][j] += qr * key[j];
      }
      append(b, c, key);
    }
    for (int64_t r = 0; r < SOME; r++) {
      real *to = reading<real>(w, b.from + r, NP, weights), *out = erasing<real>(w, b.from + r, NP, weights);
      for (int64_t j = 0; j <= r; j++) to[b.from + j] = lanes_sum(read[r][j]);
      for (int64_t j = 0; j < r; j++) out[b.from + j] = lanes_sum(erased[r][j]);
    }
  }
  void append(const Block& b, int64_t c, const vec* key) {
    for (int64_t l = 0; l < LANES; l++) {
      real* row = keys + (c + l) * NP;
      scale_all(1, b.from, row, NP, over(b)[c + l]);
      for (int64_t r = 0; r < SOME; r++) row[b.from + r] = key[r][l];
    }
  }

  void enter(real* x) {
    std::fill_n(beyond.at, KP, real(1));
    for (int64_t from = 0; from < d.N; from += SOME) {
      const Block b = block(from);
      scaled(b, x, since, x);
      scaled_alike(b, x, beyond);
      past(b);
    }
  }
  void write(const real*, const real* news, real* s) const {
    scale_rows(d.K, d.VP, s, d.VP, beyond);
    product(d.K, {keys, NP, 1}, news, d.VP, s, d.VP, true, Range{0, d.N, d.V});
  }

  void read_back(const real*, const real* ds, real* y) const {
    product(d.N, {keys, 1, NP}, ds, d.VP, y, d.VP, false, Range{0, d.K, d.V});
  }

  // `moved` holds the keys written before a block, decayed to its beginning.
  void to_rows(const real* w, const real* k, real* dx) {
    std::fill_n(beyond.at, KP, real(1));
    for (int64_t from = 0; from < d.N; from += SOME) {
      const Block b = block(from);
      const Range before{0, from, d.K};
      scaled_alike(b, dx, beyond);
      product(b.steps(), {w + b.steps_from * NP, NP, 1}, moved, KP, dx + b.steps_from * KP, KP, true, before);
      if (d.erases())
        product(b.to - from, {w + (d.C + from) * NP, NP, 1}, moved, KP, dx + (d.C + from) * KP, KP, true, before);
      scaled(b, dx, since, dx);
      own_rows(b, w, k, dx);
      for (int64_t r = 0; r < from; r++) multiply(KP, moved + r * KP, over(b), moved + r * KP);
      past(b);
    }
  }
  void own_rows(const Block& b, const real* w, const real* k, real* dx) {
    const real *wq[SOME], *wa[SOME];
    real *dq[SOME], *da[SOME];
    around(b, w, dx, wq, wa, dq, da);
    for (int64_t c = 0; c < KP; c += LANES) {
      vec key[SOME];
#pragma GCC unroll 4
      for (int64_t r = 0; r < SOME; r++) {
        const vec decay = Full{}.load(alpha + (b.from + r) * KP + c);
        vec of_q = Full{}.load(dq[r] + c), of_a = Full{}.load(da[r] + c);
        key[r] = Full{}.load(k + (b.from + r) * KP + c);
#pragma GCC unroll 4
        for (int64_t j = 0; j < r; j++) key[j] *= decay, of_a += wa[r][j] * key[j];
#pragma GCC unroll 4
        for (int64_t j = 0; j <= r; j++) of_q += wq[r][j] * key[j];
        Full{}.store(dq[r] + c, of_q);
        Full{}.store(da[r] + c, of_a);
      }
      for (int64_t r = 0; r < SOME; r++) Full{}.store(moved + (b.from + r) * KP + c, key[r]);
    }
  }
  // Weights of the block's rows, from its first column on, and where their gradients lie.
  void around(const Block& b, const real* w, real* dx, const real** wq, const real** wa, real** dq, real** da) {
    for (int64_t r = 0; r < SOME; r++) {
      wq[r] = reading<const real>(w + b.from, b.from + r, NP, weights);
      dq[r] = reading<real>(dx, b.from + r, KP, nowhere);
      wa[r] = erasing<const real>(w + b.from, b.from + r, NP, weights);
      da[r] = erasing<real>(dx, b.from + r, KP, nowhere);
    }
  }

  // `moved` holds the rows that read behind a block, decayed since its end; in the end since the chunk's beginning.
  void to_columns(const real* w, const real* x, real* dk) {
    std::fill_n(beyond.at, KP, real(1));
    std::copy_n(x, d.reads * KP, moved.at);
    for (int64_t from = (d.N - 1) / SOME * SOME; from >= 0; from -= SOME) {
      const Block b = block(from);
      real* to = dk + from * KP;
      for (int64_t r = from; r < b.to; r++) multiply(KP, dk + r * KP, beyond, dk + r * KP);
      product(b.to - from, {w + from, 1, NP}, moved, KP, to, KP, true, Range{b.steps_to, d.C, d.K});
      if (d.erases())
        product(b.to - from, {w + d.C * NP + from, 1, NP}, moved + d.C * KP, KP, to, KP, true, Range{b.to, d.N, d.K});
      for (int64_t r = from; r < b.to; r++) multiply(KP, dk + r * KP, until + r * KP, dk + r * KP);
      for (int64_t i = b.steps_to; i < d.C; i++) multiply(KP, moved + i * KP, over(b), moved + i * KP);
      for (int64_t r = b.to; r < d.N && d.erases(); r++)
        multiply(KP, moved + (d.C + r) * KP, over(b), moved + (d.C + r) * KP);
      own_columns(b, w, dk);
      past(b);
    }
  }
  void own_columns(const Block& b, const real* w, real* dk) {
    const real *wq[SOME], *wa[SOME];
    real *q[SOME], *a[SOME];
    std::fill_n(nowhere.at, KP, real(0));
    around(b, w, moved, wq, wa, q, a);
    for (int64_t c = 0; c < KP; c += LANES) {
      vec qs[SOME], as[SOME];
      for (int64_t r = 0; r < SOME; r++) qs[r] = Full{}.load(q[r] + c), as[r] = Full{}.load(a[r] + c);
#pragma GCC unroll 4
      for (int64_t j = SOME - 1; j >= 0; j--) {
        const vec decay = Full{}.load(alpha + (b.from + j) * KP + c);
        vec sum = Full{}.load(dk + (b.from + j) * KP + c);
#pragma GCC unroll 4
        for (int64_t r = j; r < SOME; r++) {
          sum += wq[r][j] * qs[r];
          if (r > j) sum += wa[r][j] * as[r];
          qs[r] *= decay, as[r] *= decay;
        }
        Full{}.store(dk + (b.from + j) * KP + c, sum);
      }
      for (int64_t r = 0; r < SOME; r++) Full{}.store(q[r] + c, qs[r]), Full{}.store(a[r] + c, as[r]);
    }
  }
  void write_back(const real*, const real* z, real* ds) const {
    scale_rows(d.K, d.VP, ds, d.VP, beyond);
    product(d.K, {moved, 1, KP}, z, d.VP, ds, d.VP, true, Range{0, d.reads, d.V});
  }

  void gates(const real* x, const real* dx, const real* k, const real* dk, const real* last, const real* ds) {
    for (int64_t i = 0; i < d.K; i++) flow[i] = lanes_sum(products(d.VP, last + i * d.VP, ds + i * d.VP));
    for (int64_t r = d.N - 1; r >= 0; r--) {
      const real *q = reading<const real>(x, r, KP, nothing), *a = erasing<const real>(x, r, KP, nothing);
      const real *dq = reading<const real>(dx, r, KP, nothing), *da = erasing<const real>(dx, r, KP, nothing);
      for (int64_t c = 0; c < KP; c += LANES) {
        const vec in = Full{}.load(q + c) * Full{}.load(dq + c) + Full{}.load(a + c) * Full{}.load(da + c);
        const vec out = Full{}.load(k + r * KP + c) * Full{}.load(dk + r * KP + c);
        Full{}.store(flow + c, Full{}.load(flow + c) + (in - out));
      }
      if (r % d.n == 0 && r / d.n < d.count) std::copy_n(flow.at, d.K, d.at(d.p.dg, d.from + r / d.n));
    }
  }
};
