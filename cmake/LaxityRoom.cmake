# The five words that CMakeLists.txt files under src/, tests/, fuzz/ and bench/ are written in.
#
#   laxity_room(NAME sched SOURCES scheduler.cpp … HEADERS scheduler.h … [SYSTEM_LINKS …] [PCH <heavy.h> …])
#       static library laxity_sched. Links every room that tools/check_layers.py lets it include, and no
#       other: the table there is the only copy. SYSTEM_LINKS are third-party libraries (see
#       LaxityDependencies). LINKS may repeat rooms for the reader; one not granted is an error.
#   laxity_program(NAME laxity SOURCES main.cpp [LINKS laxity_cli …] [SYSTEM_LINKS …])
#       executable in <build>/bin.
#   laxity_test(NAME sched_test SOURCES edf_test.cpp … [LINKS …] [SYSTEM_LINKS …] [LABELS …] [TIMEOUT s]
#               [WHOLE] [SERIAL] [ENVIRONMENT k=v …] [DEPENDS target …])
#       GoogleTest + GoogleMock + RapidCheck program with main. One ctest entry per case, or one for the
#       program with WHOLE. Labelled with its folder's name (the room, or tests). Called in src/<room>, links
#       that room by itself. SERIAL: nothing else runs beside it. LAXITY_SOURCE_DIR is defined, to find
#       scenarios and models. Few programs with many files each: linking is what costs.
#       LABELS parser: also run under AddressSanitizer by scripts/test.sh, whatever the room.
#   laxity_bench(NAME decision_bench SOURCES … [LINKS …] [SYSTEM_LINKS …])
#       measuring program with its own main, built when LAXITY_BUILD_BENCH is on.
#   laxity_fuzz(NAME json_fuzz SOURCES json_fuzz.cpp [LINKS …] [CORPUS folder] [MUTATIONS n] [LABELS …])
#       SOURCES define LLVMFuzzerTestOneInput. Under the fuzz preset a libFuzzer program; otherwise the same
#       file behind fuzz/replay_main.cpp, which ctest runs on the corpus and n seeded mutations of it
#       (default 20000).

execute_process(
  COMMAND "${Python3_EXECUTABLE}" "${CMAKE_SOURCE_DIR}/tools/check_layers.py" --cmake
  OUTPUT_VARIABLE _layers RESULT_VARIABLE _layers_result)
if(NOT _layers_result EQUAL 0)
  message(FATAL_ERROR "tools/check_layers.py --cmake failed")
endif()
cmake_language(EVAL CODE "${_layers}")  # sets LAXITY_ROOMS and LAXITY_MAY_INCLUDE_<room>
set_property(DIRECTORY "${CMAKE_SOURCE_DIR}" APPEND PROPERTY
             CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/check_layers.py")

include(GoogleTest)

macro(_laxity_parse function_name options singles multis)
  cmake_parse_arguments(arg "${options}" "NAME;${singles}" "SOURCES;LINKS;SYSTEM_LINKS;PCH;${multis}" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${function_name}(${arg_NAME}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_NAME)
    message(FATAL_ERROR "${function_name}: NAME is missing")
  endif()
endmacro()

function(_laxity_common target)
  target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/src")
  target_compile_options(${target} PRIVATE ${LAXITY_WARNINGS})
  if(arg_PCH)
    target_precompile_headers(${target} PRIVATE ${arg_PCH})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} PRIVATE -fpch-preprocess)  # lets ccache see through the header
    endif()
  endif()
  if("laxity_onnxruntime" IN_LIST arg_SYSTEM_LINKS AND NOT target MATCHES "^laxity_engine$")
    message(FATAL_ERROR "${target}: only room engine may link laxity_onnxruntime")
  endif()
endfunction()

function(laxity_room)
  _laxity_parse(laxity_room "" "" "HEADERS" ${ARGN})
  set(target laxity_${arg_NAME})
  if(NOT arg_NAME IN_LIST LAXITY_ROOMS)
    message(FATAL_ERROR "laxity_room(${arg_NAME}): expected a room of tools/check_layers.py: ${LAXITY_ROOMS}")
  endif()
  set(links)
  foreach(room IN LISTS LAXITY_MAY_INCLUDE_${arg_NAME})
    if(TARGET laxity_${room})
      list(APPEND links laxity_${room})
    endif()
  endforeach()
  foreach(link IN LISTS arg_LINKS)
    string(REGEX REPLACE "^laxity_" "" room "${link}")
    if(NOT room IN_LIST LAXITY_MAY_INCLUDE_${arg_NAME})
      message(FATAL_ERROR "laxity_room(${arg_NAME}): may link ${LAXITY_MAY_INCLUDE_${arg_NAME}}, "
                          "asked for ${link}")
    endif()
  endforeach()
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES} ${arg_HEADERS})
    _laxity_common(${target})
    target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(${target} PUBLIC ${links} PRIVATE ${arg_SYSTEM_LINKS})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(${target} INTERFACE ${links} ${arg_SYSTEM_LINKS})
  endif()
endfunction()

function(laxity_program)
  _laxity_parse(laxity_program "" "" "" ${ARGN})
  add_executable(${arg_NAME} ${arg_SOURCES})
  _laxity_common(${arg_NAME})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LINKS} ${arg_SYSTEM_LINKS})
endfunction()

function(laxity_test)
  _laxity_parse(laxity_test "WHOLE;SERIAL" "TIMEOUT" "LABELS;ENVIRONMENT;DEPENDS" ${ARGN})
  get_filename_component(folder "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
  set(own_room)
  if(TARGET laxity_${folder} AND CMAKE_CURRENT_SOURCE_DIR STREQUAL "${CMAKE_SOURCE_DIR}/src/${folder}")
    set(own_room laxity_${folder})
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  _laxity_common(${arg_NAME})
  target_include_directories(${arg_NAME} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_compile_definitions(${arg_NAME} PRIVATE LAXITY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${arg_NAME} PRIVATE ${own_room} ${arg_LINKS} ${arg_SYSTEM_LINKS}
                        rapidcheck GTest::gmock_main Threads::Threads)
  if(arg_DEPENDS)
    add_dependencies(${arg_NAME} ${arg_DEPENDS})
  endif()
  if(LAXITY_TEST_LAUNCHER)
    set_target_properties(${arg_NAME} PROPERTIES CROSSCOMPILING_EMULATOR "${LAXITY_TEST_LAUNCHER}")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(LAXITY_SANITIZED)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 5")
  endif()
  set(environment ${LAXITY_TEST_ENVIRONMENT} ${arg_ENVIRONMENT})
  set(labels ${folder} ${arg_LABELS})
  set(serial FALSE)
  if(arg_SERIAL)
    set(serial TRUE)
  endif()
  if(arg_WHOLE)
    add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
    set_tests_properties(${arg_NAME} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${labels}"
                         ENVIRONMENT "${environment}" RUN_SERIAL ${serial})
  else()
    gtest_discover_tests(${arg_NAME} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
                         TEST_PREFIX "${arg_NAME}.")
    # Properties that are lists do not survive the discovery's own PROPERTIES, so they are set after it.
    set(script "${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_properties.cmake")
    file(CONFIGURE OUTPUT "${script}" @ONLY CONTENT [=[
foreach(test IN LISTS @arg_NAME@_TESTS)
  set_tests_properties("${test}" PROPERTIES TIMEOUT @arg_TIMEOUT@ LABELS [==[@labels@]==]
                       ENVIRONMENT [==[@environment@]==] RUN_SERIAL @serial@)
endforeach()
]=])
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${script}")
  endif()
  set_property(GLOBAL APPEND PROPERTY LAXITY_TESTS_${folder} ${arg_NAME})
  foreach(label IN LISTS arg_LABELS)
    set_property(GLOBAL APPEND PROPERTY LAXITY_TESTS_${label} ${arg_NAME})
  endforeach()
endfunction()

function(laxity_bench)
  _laxity_parse(laxity_bench "" "" "" ${ARGN})
  if(NOT LAXITY_BUILD_BENCH)
    return()
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  _laxity_common(${arg_NAME})
  target_include_directories(${arg_NAME} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_compile_definitions(${arg_NAME} PRIVATE LAXITY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LINKS} ${arg_SYSTEM_LINKS} Threads::Threads)
endfunction()

function(laxity_fuzz)
  _laxity_parse(laxity_fuzz "" "CORPUS;MUTATIONS" "LABELS" ${ARGN})
  if(NOT arg_MUTATIONS)
    set(arg_MUTATIONS 20000)
  endif()
  if(NOT arg_CORPUS)
    set(arg_CORPUS "${CMAKE_SOURCE_DIR}/fuzz/corpus/${arg_NAME}")
  endif()
  get_filename_component(arg_CORPUS "${arg_CORPUS}" ABSOLUTE)
  if(NOT IS_DIRECTORY "${arg_CORPUS}")
    message(FATAL_ERROR "laxity_fuzz(${arg_NAME}): corpus folder ${arg_CORPUS} does not exist")
  endif()
  if(LAXITY_PRESET STREQUAL "fuzz")
    add_executable(${arg_NAME} ${arg_SOURCES})
    target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
    set(found "${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_found")  # new inputs land here, not in the tree
    file(MAKE_DIRECTORY "${found}")
    set(command ${arg_NAME} -runs=${arg_MUTATIONS} -timeout=10 "${found}" "${arg_CORPUS}")
  else()
    add_executable(${arg_NAME} ${arg_SOURCES} "${CMAKE_SOURCE_DIR}/fuzz/replay_main.cpp")
    set(command ${arg_NAME} "${arg_CORPUS}" ${arg_MUTATIONS})
  endif()
  _laxity_common(${arg_NAME})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LINKS} ${arg_SYSTEM_LINKS})
  if(LAXITY_TEST_LAUNCHER)
    set_target_properties(${arg_NAME} PROPERTIES CROSSCOMPILING_EMULATOR "${LAXITY_TEST_LAUNCHER}")
  endif()
  set(labels fuzz ${arg_LABELS})
  add_test(NAME ${arg_NAME} COMMAND ${command})
  set_tests_properties(${arg_NAME} PROPERTIES TIMEOUT 300 LABELS "${labels}"
                       ENVIRONMENT "${LAXITY_TEST_ENVIRONMENT}")
  set_property(GLOBAL APPEND PROPERTY LAXITY_TESTS_fuzz ${arg_NAME})
endfunction()
