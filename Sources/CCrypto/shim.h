// The digests of OpenSSL's libcrypto, which libpq brings along.
#include <openssl/evp.h>
