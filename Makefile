.PHONY: build test lint bench generate ci

build:
	CGO_ENABLED=0 go build -trimpath -o smelt ./cmd/smelt

test:
	go test ./...

lint:
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...

generate:
	go generate ./...

ci:
	.ci/run
