# What each value of LAXITY_PRESET means for the compiler, and which launcher runs it.

set(_presets dev release asan tsan fuzz coverage)
if(NOT LAXITY_PRESET IN_LIST _presets)
  message(FATAL_ERROR "LAXITY_PRESET: expected one of ${_presets}, found '${LAXITY_PRESET}'")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

# Sloppiness: without it ccache refuses every file that uses a precompiled header.
find_program(LAXITY_CCACHE ccache)
if(LAXITY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  foreach(language IN ITEMS C CXX)
    set(CMAKE_${language}_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env "CCACHE_SLOPPINESS=pch_defines,time_macros" "${LAXITY_CCACHE}")
  endforeach()
endif()

set(LAXITY_WARNINGS -Wall -Wextra -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports std::optional<Instant> as maybe uninitialised where it is not, and sees overlaps that are
  # none in std::string's operator+ (its bug 105651).
  list(APPEND LAXITY_WARNINGS -Wno-maybe-uninitialized -Wno-restrict)
endif()

# Nobody steps through a CI build, and line tables are all that a sanitizer's report needs: a fifth of the
# compile time goes into the rest of the debug information.
set(_debug -g)
if(DEFINED ENV{CI} OR LAXITY_PRESET MATCHES "^(asan|tsan)$")
  set(_debug -g1)
endif()

set(LAXITY_BUILD_BENCH_DEFAULT OFF)
set(LAXITY_SANITIZED OFF)
if(LAXITY_PRESET STREQUAL "dev")
  add_compile_options(-O1 ${_debug})
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  list(APPEND LAXITY_WARNINGS -Werror)
elseif(LAXITY_PRESET STREQUAL "release")
  # NDEBUG silences third-party asserts only: our own checks are always on.
  add_compile_options(-O3 -g)
  add_compile_definitions(NDEBUG)
  list(APPEND LAXITY_WARNINGS -Werror)
  set(LAXITY_BUILD_BENCH_DEFAULT ON)
elseif(LAXITY_PRESET STREQUAL "asan")
  set(LAXITY_SANITIZED ON)
  add_compile_options(-O1 ${_debug} -fno-omit-frame-pointer -fsanitize=address,undefined
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
elseif(LAXITY_PRESET STREQUAL "tsan")
  set(LAXITY_SANITIZED ON)
  add_compile_options(-O1 ${_debug} -fno-omit-frame-pointer -fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(LAXITY_PRESET STREQUAL "fuzz")
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "the fuzz preset needs clang (libFuzzer), found ${CMAKE_CXX_COMPILER_ID}; "
                        "`cmake --preset fuzz` names it")
  endif()
  set(LAXITY_SANITIZED ON)
  add_compile_options(-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(LAXITY_PRESET STREQUAL "coverage")
  add_compile_options(-O0 -g --coverage)
  add_link_options(--coverage)
endif()

option(LAXITY_BUILD_BENCH "Build the programs under bench/ and the *_bench.cpp beside sources"
       ${LAXITY_BUILD_BENCH_DEFAULT})

# Environment of every test. The engine library is not instrumented, hence the suppressions.
set(LAXITY_TEST_ENVIRONMENT "")
if(LAXITY_PRESET STREQUAL "asan" OR LAXITY_PRESET STREQUAL "fuzz")
  list(APPEND LAXITY_TEST_ENVIRONMENT
       "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
       "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/lsan.supp:print_suppressions=0"
       "UBSAN_OPTIONS=print_stacktrace=1")
elseif(LAXITY_PRESET STREQUAL "tsan")
  string(JOIN ":" _tsan_options ignore_noninstrumented_modules=1 halt_on_error=1 second_deadlock_stack=1
         "suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp")
  list(APPEND LAXITY_TEST_ENVIRONMENT "TSAN_OPTIONS=${_tsan_options}")
endif()

# GCC 12's sanitizer runtimes cannot place their shadow memory under strong address randomisation, so
# tests run with it off where the machine allows that (a container may forbid it).
set(LAXITY_TEST_LAUNCHER "")
if(LAXITY_SANITIZED)
  find_program(LAXITY_SETARCH setarch)
  if(LAXITY_SETARCH)
    execute_process(COMMAND "${LAXITY_SETARCH}" -R true RESULT_VARIABLE _refused OUTPUT_QUIET ERROR_QUIET)
    if(_refused EQUAL 0)
      set(LAXITY_TEST_LAUNCHER "${LAXITY_SETARCH}" -R)
    endif()
  endif()
endif()
