import Basics

extension RowReader {
  /// The records of one file as objects, whatever their fields: an evaluation task's documents.
  ///
  /// A record that is broken or no object is an error with its place, since a lost document changes a score.
  package static func documents(of path: FilePath) throws(CorpusError) -> [JSON.Object] {
    let reader = RowReader(valuesBelow: "")
    let spec = SourceSpec(paths: [path])
    var documents: [JSON.Object] = []
    try reader.read(try reader.files(spec), spec) { batch throws(CorpusError) in
      if let reject = batch.rejects.first {
        throw CorpusError(
          .source, "a document can not be read: \(reject.detail)", at: "\(path.display):\(reject.place.line)",
          remedy: "mend the file")
      }
      for (value, place) in batch.values {
        guard let object = value.object else {
          throw CorpusError(
            .source, "a document must be an object", at: "\(path.display):\(place.line)", value: value.kindName)
        }
        documents.append(object)
      }
    }
    return documents
  }
}
