// SPDX-License-Identifier: Apache-2.0
//
// Under ThreadSanitizer protobuf's header gives maps two members more, which Debian's libprotobuf,
// compiled without, knows nothing of: it would read a map's members where others lie. So the header
// is read as without.
#pragma GCC system_header
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include_next <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
