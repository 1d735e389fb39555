import Basics

extension Tokenizer {
  /// The built-in tokenizer that needs no file: id = byte for 0…255, then `<|endoftext|>` (256), `<|im_start|>`,
  /// `<|im_end|>` and `<|pad|>`. BOS and EOS are `<|endoftext|>`; no BOS is added of itself.
  package static let bytes: Tokenizer = {
    do {
      return try load(json: byteDocument.encoded(), config: byteConfiguration.encoded())
    } catch {
      preconditionFailure("the built-in tokenizer is broken: \(error)")
    }
  }()

  private static let byteSpecials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]

  private static var byteDocument: JSON {
    let pieces = (0..<256).map { (key: ByteAlphabet.encoded([UInt8($0)]), value: JSON($0)) }
    let specials = byteSpecials.enumerated().map { (key: $1, value: JSON(256 + $0)) }
    let added = specials.map { (name, id) -> JSON in
      [
        "id": id, "content": .string(name), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
      ]
    }
    let byteLevel: JSON = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false]
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(added), "normalizer": nil,
      "pre_tokenizer": byteLevel, "post_processor": nil, "decoder": byteLevel,
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
        "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": .object(JSON.Object(pieces + specials)), "merges": [],
      ],
    ]
  }

  private static var byteConfiguration: JSON {
    [
      "add_bos_token": false, "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|pad|>",
      "clean_up_tokenization_spaces": false, "tokenizer_class": "PreTrainedTokenizerFast",
    ]
  }
}
