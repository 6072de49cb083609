// AVX-512 with masks, broadcasts, compressed displacements, opmask moves and permutes.
// NEEDS: avx512f avx512bw avx512vl avx512dq avx512vbmi
// CFLAGS: -O1 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi
// EXPECT: avx512 ok
#include "../victim.h"
#include <immintrin.h>
int main(void) {
  static uint8_t in[256] __attribute__((aligned(64))), out[256] __attribute__((aligned(64)));
  for (int i = 0; i < 256; ++i) in[i] = (uint8_t)(i * 3);
  EACH_ROUND {
    __m512i v = _mm512_load_si512(in + 64), w = _mm512_loadu_si512(in + 1);
    __mmask64 less = _mm512_cmplt_epu8_mask(v, w);
    uint64_t expected = 0;
    for (int i = 0; i < 64; ++i) expected |= (uint64_t)(in[64 + i] < in[1 + i]) << i;
    CHECK(_cvtmask64_u64(less) == expected);
    memset(out, 0xee, sizeof out);
    _mm512_mask_storeu_epi8(out + 64, less, v);
    for (int i = 0; i < 64; ++i) CHECK(out[64 + i] == (expected >> i & 1 ? in[64 + i] : 0xee));
    __m512i indices = _mm512_set1_epi8(5);
    __m512i permuted = _mm512_permutexvar_epi8(indices, v);
    CHECK((_mm512_extracti32x4_epi32(permuted, 3)[0] & 0xff) == in[69]);
    __m256i ymm = _mm256_maskz_add_epi32(0x5a, _mm256_loadu_si256((void*)in), _mm256_set1_epi32(1));
    CHECK(_mm256_extract_epi32(ymm, 0) == 0);
    double d[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    __m512d sum = _mm512_fmadd_pd(_mm512_loadu_pd(d), _mm512_set1_pd(2), _mm512_set1_pd(0.5));
    CHECK(_mm512_reduce_add_pd(sum) == 76);
    __m512i gathered = _mm512_i32gather_epi64(_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0), in, 8);
    CHECK(_mm512_cmpeq_epi64_mask(gathered, _mm512_loadu_si512(in)) == 0xff);
    // The whole state survives indirect calls and system calls.
    __asm__ volatile("vpternlogd $0xff, %%zmm30, %%zmm30, %%zmm30; kxnorq %%k5, %%k5, %%k5" ::: "xmm30", "k5");
    getppid();
    uint64_t mask;
    __asm__ volatile("vpcmpeqb %%zmm30, %%zmm30, %%k4; kandq %%k5, %%k4, %%k4; kmovq %%k4, %0" : "=r"(mask)::"k4");
    CHECK(mask == ~0ull);
  }
  puts("avx512 ok");
}
