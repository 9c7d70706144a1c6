// zlib for Swift. Its beginnings are macros, which are not imported: they are given again as functions.
#include <zlib.h>

static inline int tidemark_deflate_start(z_stream *stream) {
    // 16: a gzip header, so that zcat reads it.
    return deflateInit2(stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

static inline int tidemark_inflate_start(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
