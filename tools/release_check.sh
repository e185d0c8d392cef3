# release_check.sh BIN: all that a release needs and a machine without its rights can check, with the tools in BIN
set -eu
bin=$1
"$bin/python" tools/release.py --check
rm -rf dist
"$bin/python" -m build --quiet . # the wheel is built from the sdist
"$bin/twine" check --strict dist/*
"$bin/check-wheel-contents" --ignore W002,W009 dist/*.whl # MNIST's licence lies beside its data, and among the licences; stubs lie beside lamina
sh tools/try_wheel.sh "$bin/python" "$(echo "$PWD"/dist/lamina-*.whl)" "$PWD/dist/sbom.json" "$PWD/$bin/cyclonedx-py"
"$bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$bin/hadolint" packaging/Dockerfile
"$bin/python" tools/conda_recipe.py
ls -l dist
