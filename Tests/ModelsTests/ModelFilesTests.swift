import Basics
import Models
import Testing

@Suite struct ModelFilesTests {
  private let folder: TemporaryFolder
  private let model = TinyModel()

  init() throws {
    folder = try TemporaryFolder()
    try model.write(to: folder, tensors: try model.tensors())
  }

  @Test func `a folder without a tokenizer has none, and no template`() throws {
    let files = try ModelFiles.open(folder.path)
    guard case .none = files.tokenizer else {
      Issue.record("a tokenizer")
      return
    }
    #expect(files.chatTemplate == nil)
    #expect(files.generationConfig == nil)
    #expect(files.contentFiles.map(\.name) == ["config.json", "model.safetensors"])
  }

  @Test func `tokenizer, generation config and template are found`() throws {
    _ = try folder.write("{}", as: "tokenizer.json")
    _ = try folder.write(#"{"chat_template":"one"}"#, as: "tokenizer_config.json")
    _ = try folder.write(#"{"eos_token_id":[1,2]}"#, as: "generation_config.json")
    let files = try ModelFiles.open(folder.path)
    guard case .folder(folder.path) = files.tokenizer else {
      Issue.record("no tokenizer")
      return
    }
    #expect(files.chatTemplate == "one")
    #expect(files.generationConfig?["eos_token_id"]?.array?.count == 2)
    #expect(files.contentFiles.count == 5)
    _ = try folder.write("two", as: "chat_template.jinja")
    #expect(try ModelFiles.open(folder.path).chatTemplate == "two")
  }

  @Test(arguments: [
    (#"{"chat_template":[{"name":"tool_use","template":"a"},{"name":"default","template":"b"}]}"#, "b"),
    (#"{"chat_template":null}"#, ""), (#"{}"#, ""),
  ])
  func `a template may be one of a list`(config: String, template: String) throws {
    _ = try folder.write(config, as: "tokenizer_config.json")
    #expect(try ModelFiles.open(folder.path).chatTemplate ?? "" == template)
  }

  @Test func `a list without a default template is an error`() throws {
    _ = try folder.write(#"{"chat_template":[{"name":"rag","template":"a"}]}"#, as: "tokenizer_config.json")
    #expect(problem { _ = try ModelFiles.open(folder.path) }.contains("named \"default\" (got rag)"))
  }

  @Test func `what is no model is refused with what would be one`() throws {
    let empty = try TemporaryFolder()
    #expect(problem { _ = try ModelFiles.open(empty.path) }.contains("has no config.json"))
    #expect(problem { _ = try ModelFiles.open("no/such/folder") }.contains("there is no such model"))
    let weights = folder.path.appending("model.safetensors")
    #expect(problem { _ = try ModelFiles.open(weights) }.contains("give the folder"))
    try Files.remove(weights)
    #expect(problem { _ = try ModelFiles.open(folder.path) }.contains("the folder has no weights"))
    _ = try folder.write(#"{"model_type":"llama","hidden_size":"#, as: "config.json")
    let text = problem { _ = try ModelFiles.open(folder.path) }
    #expect(text.contains("config.json, byte 36"), "\(text)")
  }
}
