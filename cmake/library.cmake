# libkodiak: all layers in one shared and one static library that show kdk_* and Adbc* alone.
if(NOT TARGET kdk_api)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(objects)
foreach(layer IN LISTS KDK_PRESENT)
  list(APPEND objects $<TARGET_OBJECTS:kdk_${layer}>)
endforeach()

set(map ${CMAKE_SOURCE_DIR}/cmake/kodiak.map)
add_library(kodiak SHARED ${objects})
add_library(kodiak::kodiak ALIAS kodiak)
set_target_properties(kodiak PROPERTIES LINKER_LANGUAGE C LINK_DEPENDS ${map}
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} EXPORT_NAME kodiak)
target_include_directories(kodiak INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_options(kodiak PRIVATE -Wl,--version-script=${map} -Wl,--as-needed)
if(KDK_SANITIZE)
  target_link_options(kodiak PRIVATE -fsanitize=${KDK_SANITIZE})
else()
  target_link_options(kodiak PRIVATE -Wl,--no-undefined)
endif()
if(KDK_COVERAGE)
  target_link_options(kodiak PRIVATE --coverage)
endif()
target_link_libraries(kodiak PRIVATE Threads::Threads PkgConfig::LZ4 PkgConfig::ZSTD m)

# One object whose other names are made local, so that nothing of ours meets a host's names.
set(joined ${CMAKE_BINARY_DIR}/kodiak.o)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/libkodiak.a
  COMMAND ${CMAKE_LINKER} -r -o ${joined} ${objects}
  COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=kdk_* --keep-global-symbol=Adbc* ${joined}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${CMAKE_BINARY_DIR}/libkodiak.a
  COMMAND ${CMAKE_AR} crs ${CMAKE_BINARY_DIR}/libkodiak.a ${joined}
  DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(kodiak_static ALL DEPENDS ${CMAKE_BINARY_DIR}/libkodiak.a)

configure_file(cmake/kodiak.pc.in kodiak.pc @ONLY)
configure_package_config_file(cmake/kodiakConfig.cmake.in ${CMAKE_BINARY_DIR}/kodiakConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kodiak PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/kodiakConfigVersion.cmake COMPATIBILITY SameMinorVersion)

file(GLOB public_headers ${CMAKE_SOURCE_DIR}/include/*.h)
install(FILES ${public_headers} TYPE INCLUDE)
install(TARGETS kodiak EXPORT kodiakTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/libkodiak.a TYPE LIB)
install(FILES ${CMAKE_BINARY_DIR}/kodiak.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(EXPORT kodiakTargets NAMESPACE kodiak:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kodiak)
install(FILES ${CMAKE_BINARY_DIR}/kodiakConfig.cmake ${CMAKE_BINARY_DIR}/kodiakConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kodiak)
