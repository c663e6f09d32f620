# Third-party packages, found once. third_party/README.md says why each is here and who wraps it.
#
# Names to give as SYSTEM_LINKS:
#   Threads::Threads  Boost::headers  simdjson::simdjson  tomlplusplus::tomlplusplus  LibLZMA::LibLZMA
#   laxity_turbojpeg  laxity_spng  laxity_onnxruntime (room engine only)
# Header-only and in the default include path, so without a name: nlohmann/json.hpp, CLI/CLI.hpp.

set(_hint "run scripts/setup.sh, which installs it")

find_package(Python3 REQUIRED COMPONENTS Interpreter)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(simdjson REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)
find_package(LibLZMA REQUIRED)

function(_laxity_plain_library name header library)
  find_path(${name}_INCLUDE_DIR "${header}")
  find_library(${name}_LIBRARY "${library}")
  if(NOT ${name}_INCLUDE_DIR OR NOT ${name}_LIBRARY)
    message(FATAL_ERROR "${header} or lib${library} not found: ${_hint}")
  endif()
  add_library(${name} INTERFACE IMPORTED)
  target_link_libraries(${name} INTERFACE "${${name}_LIBRARY}")
endfunction()
_laxity_plain_library(laxity_turbojpeg turbojpeg.h turbojpeg)
_laxity_plain_library(laxity_spng spng.h spng)

# The engine: headers to compile against, and the path that dlopen tries when LAXITY_ONNXRUNTIME is not set
# in the environment at run time. Nothing is linked, so another build of the library is a drop-in.
find_path(LAXITY_ORT_INCLUDE_DIR onnxruntime_cxx_api.h
          PATHS "${LAXITY_DEPS_DIR}/include/onnxruntime"
          PATH_SUFFIXES . core/session NO_DEFAULT_PATH)
if(NOT LAXITY_ORT_INCLUDE_DIR)
  message(FATAL_ERROR "onnxruntime_cxx_api.h: expected under ${LAXITY_DEPS_DIR}/include/onnxruntime, found "
                      "none: ${_hint}, or name its prefix with -DLAXITY_DEPS_DIR=…")
endif()
add_library(laxity_onnxruntime INTERFACE)
target_include_directories(laxity_onnxruntime SYSTEM INTERFACE "${LAXITY_ORT_INCLUDE_DIR}")
target_compile_definitions(laxity_onnxruntime INTERFACE
  LAXITY_ORT_DEFAULT_PATH="${LAXITY_DEPS_DIR}/lib/libonnxruntime.so.1")
target_link_libraries(laxity_onnxruntime INTERFACE ${CMAKE_DL_LIBS})
