# SPDX-License-Identifier: Apache-2.0
# inferd_warnings(target): warnings are errors in our own code, not in generated code.
function(inferd_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                                           -Wcast-qual -Wold-style-cast -Werror
                                           # Hints to GCC's vectoriser.
                                           $<$<CXX_COMPILER_ID:Clang>:-Wno-unknown-pragmas>)
endfunction()
