extension CPUBackend {
  /// Name of OpenBLAS's kernels that products run on: "SkylakeX", "Haswell", "Zen".
  package static var productKernels: String { "OpenBLAS \(BLASKernels.chosen.name)" }
}
