/* $title
 *
$text
 */
#ifndef $guard
#define $guard

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX != 0xffffffffffffffff
#error "this library is for processors with addresses of 64 bits"
#endif

#ifdef __cplusplus
extern "C" {
#endif

$body
#ifdef __cplusplus
}
#endif

#endif
