// Run a generated function in several threads of OpenMP: the ones that torch itself uses. Threads
// of one's own would compete with those, which go on spinning for a while after their last work.
#include <omp.h>

#include <cstdint>

typedef void (*Function)(void* const* p, const int64_t* s, int64_t T, int64_t begin, int64_t end,
                         void* team, int64_t member);

// Thread i takes the rows from borders[i] to borders[i + 1], and has ports of its own.
extern "C" void by_rows(Function f, int64_t count, void* const* const* p, const int64_t* s,
                        int64_t T, const int64_t* borders) {
#pragma omp parallel for num_threads(count) schedule(static, 1)
  for (int64_t i = 0; i < count; i++) f(p[i], s, T, borders[i], borders[i + 1], nullptr, 0);
}

// All threads take all rows, each its share of the columns; there may be fewer than asked for.
extern "C" void by_columns(Function f, int64_t count, void* const* p, const int64_t* s, int64_t T,
                           int64_t rows, int64_t* team) {
#pragma omp parallel num_threads(count)
  {
#pragma omp single
    team[16] = omp_get_num_threads();
    f(p, s, T, 0, rows, team, omp_get_thread_num());
  }
}
