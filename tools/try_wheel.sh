# try_wheel.sh PYTHON WHEEL SBOM CYCLONEDX: install a wheel into an empty environment, train on a table, predict with what
# came out, and write what was installed as a bill of materials
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$2[sklearn,table]"
# lamina needs none of what installs it; and where the wheel lay here says nothing elsewhere
"$folder/venv/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check setuptools pip
rm "$folder"/venv/lib/python*/site-packages/lamina-*.dist-info/direct_url.json
"$4" environment --output-reproducible --output-format JSON --output-file "$3" "$folder/venv"
wheel_bin=$folder/venv/bin
cd "$folder"
"$wheel_bin/python" -c 'for i in range(-1, 200): print("x,y" if i < 0 else f"{i % 7},{i % 7 * 2}")' >table.csv
"$wheel_bin/lamina" train table.csv --target y --preset fast --epochs 2 --out run
"$wheel_bin/lamina" predict run table.csv --out predictions.csv
test "$(wc -l <predictions.csv)" = 201
echo "$2 was installed into an empty environment, trained and predicted"
