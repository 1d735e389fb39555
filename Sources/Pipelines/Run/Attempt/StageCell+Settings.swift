import Basics
import Store

extension StageCell {
  /// `with` with the paths of other cells' outputs in place of the references to them; a reference whose path is not
  /// known stays as it is.
  package func settings(_ path: (_ cell: String, _ output: String) -> FilePath?) -> JSON.Object {
    var settings = JSON.object(with)
    for reference in references {
      if case .output(let producer, let output) = reference.target, let place = path(producer, output) {
        settings = settings.replacing(at: reference.place, with: place.json)
      }
    }
    return settings.object ?? with
  }
}
