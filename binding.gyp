{
  "variables": {
    "onnxruntime_lib": "<!(node native/package-paths.mjs onnxruntime)",
    "onnxruntime_rpath": "<!(node native/package-paths.mjs rpath)",
    "node_addon_api": "<!(node native/package-paths.mjs node-addon-api)",
  },
  "targets": [
    {
      "target_name": "framescatter",
      "sources": ["<!@(cat native/core_sources.txt native/binding_sources.txt)"],
      "include_dirs": ["native"],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_CPP_EXCEPTIONS",
        # Only MPI's C interface: the C++ one, in Open MPI and in MPICH, is obsolete and another library.
        "OMPI_SKIP_MPICXX",
        "MPICH_SKIP_MPICXX",
      ],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags!": ["-fno-exceptions"],
      # It reads what strangers wrote: tensors and frames. The same in CMakeLists.txt.
      "cflags": ["-fstack-protector-strong", "-fstack-clash-protection"],
      "ldflags": ["-Wl,-z,relro", "-Wl,-z,now"],
      "configurations": {
        # Only with optimisation; the first takes back what a distribution's compiler may define by itself.
        "Release": {"cflags": ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]},
      },
      "cflags_cc": [
        "-std=c++20", "-fexceptions", "-frtti", "-Wall", "-Wextra", "-Wpedantic", "-fvisibility=hidden",
        # Others' headers, without our warnings. make runs in build/.
        "-isystem<(node_addon_api)",
        "-isystem../native/third_party/onnxruntime",
        "<!@(node native/mpi-flags.mjs compile)",
      ],
      "libraries": [
        "-L<(onnxruntime_lib)",
        "-l:libonnxruntime.so.1",
        # Wrappers also name MPI's C++ library, which nothing here uses.
        "-Wl,--as-needed",
        "<!@(node native/mpi-flags.mjs link)",
        # For make, which takes $$ for $.
        "-Wl,-rpath,'$$ORIGIN/<(onnxruntime_rpath)'",
      ],
    },
  ],
}
