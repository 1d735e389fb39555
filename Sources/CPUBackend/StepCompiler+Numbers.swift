import CKernels
import Foundation
import Tensors

/// Changes of element types, and elements dropped by chance.
extension StepCompiler {
  func cast(_ x: TensorView, _ out: TensorView) throws(TensorError) -> Step.Body {
    throw resolver.refuse("the processor has no cast")
  }

  func dequantise(_ matrix: QuantisedMatrix, _ out: TensorView) throws(TensorError) -> Step.Body {
    throw resolver.refuse("the processor has no dequantise")
  }

  func dropout(_ x: TensorView, _ out: TensorView, _ rate: Double, _ stream: Int) throws(TensorError) -> Step.Body {
    throw resolver.refuse("the processor has no dropout")
  }
}
