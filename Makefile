# Fettle: `make demo` sets up, builds and runs the quickstart; `make test` sets up, builds and tests.
SHELL := /bin/bash
PREFIX ?= /usr/local
SWIFT ?= swift
BUILD := $(SWIFT) build -c release --explicit-target-dependency-import-check error
FETTLE := .build/release/fettle

# pkg-config name : Debian package
LIBRARIES := sqlite3:libsqlite3-dev openblas:libopenblas-dev libarchive:libarchive-dev yaml-0.1:libyaml-dev \
  libpcre2-8:libpcre2-dev libutf8proc:libutf8proc-dev uchardet:libuchardet-dev libcrypto:libssl-dev

.PHONY: deps build test demo lint bench bundle install clean docs datasets

deps:
	@command -v $(SWIFT) >/dev/null || { echo "swift is not installed: see https://www.swift.org/install" >&2; exit 1; }
	@missing=""; \
	command -v pkg-config >/dev/null || missing="pkg-config"; \
	for pair in $(LIBRARIES); do \
	  pkg-config --exists $${pair%%:*} 2>/dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then as=""; \
	  elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then as="sudo"; \
	  else echo "missing libraries; run: sudo apt-get install -y$$missing" >&2; exit 1; fi; \
	  echo "installing$$missing"; \
	  $$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null || \
	    { echo "could not install; run: sudo apt-get install -y$$missing" >&2; exit 1; }; \
	fi

build: deps
	$(BUILD) --product fettle

test: deps
	$(BUILD) --build-tests
	$(SWIFT) test -c release --skip-build
	Tests/acceptance/run $(FETTLE)

demo: build
	$(FETTLE) run pipelines/quickstart.yaml
	$(FETTLE) status

lint:
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests datasets

bench: build
	bench/run $(FETTLE)
	bench/memory $(FETTLE)
	bench/cache $(FETTLE)

# A folder that runs on a machine without Swift or our libraries: the program and, in lib beside it, all that it links
# but the C library's own.
BUNDLE ?= .build/bundle/fettle
bundle: deps
	$(BUILD) --product fettle --static-swift-stdlib --scratch-path .build/bundle/build \
	  -Xlinker -rpath -Xlinker '$$ORIGIN/lib' -Xlinker --disable-new-dtags -Xlinker --strip-all
	rm -rf "$(BUNDLE)" && mkdir -p "$(BUNDLE)/lib"
	install -m 755 .build/bundle/build/release/fettle "$(BUNDLE)/fettle"
	ldd .build/bundle/build/release/fettle | awk '$$3 ~ /^\// {print $$3}' | \
	  grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv|ld-linux[^/]*)\.so' | \
	  while read -r library; do cp -L "$$library" "$(BUNDLE)/lib/"; done
	cp LICENSE "$(BUNDLE)/"
	@echo "made $(BUNDLE), $$(du -sh "$(BUNDLE)" | cut -f1)"

docs: build
	$(FETTLE) schema > docs/pipeline.schema.json
	$(FETTLE) schema --markdown > docs/pipeline.md

datasets:
	$(SWIFT) run -c release make-datasets datasets

install: build
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 $(FETTLE) "$(DESTDIR)$(PREFIX)/bin/fettle"
	install -d "$(DESTDIR)$(PREFIX)/share/man/man1" "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
	  "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	$(FETTLE) man > "$(DESTDIR)$(PREFIX)/share/man/man1/fettle.1"
	$(FETTLE) completions bash > "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/fettle"
	$(FETTLE) completions zsh > "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_fettle"
	$(FETTLE) completions fish > "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/fettle.fish"

clean:
	$(SWIFT) package clean
	rm -rf .build
