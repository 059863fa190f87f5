// Memory that is needed soon, asked for line by line while products go on.
#pragma once
#include "vector.h"
#include <vector>

// The same line of some rows.
struct Lines {
  const real *at, *last;
  int64_t step;
  bool pairs;  // the line beside it too, both to the second cache: as many would push operands out of the first

  void ask() {
    if (pairs) {
      __builtin_prefetch(at, 0, 2);
      __builtin_prefetch(at + 64 / sizeof(real), 0, 2);
    } else {
      __builtin_prefetch(at);
    }
    at = at < last ? at + step : at;
  }
};

struct Prefetch {
  static constexpr int64_t LINE = 64 / sizeof(real);
  std::vector<Lines> left;
  bool pairs = false;

  void rows(const real* at, int64_t step, int64_t columns, int64_t count) {
    for (int64_t c = 0; c < columns && count; c += pairs ? 2 * LINE : LINE)
      left.push_back({at + c, at + c + (count - 1) * step, step, pairs});
  }
  // What the next product asks for: where nothing is left, a line that it reads itself.
  Lines next(const real* own) {
    if (left.empty()) return {own, own, 0, false};
    const Lines lines = left.back();
    left.pop_back();
    return lines;
  }
};

static thread_local Prefetch prefetch;
