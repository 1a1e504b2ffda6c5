# embed.cmake: writes a C file with the bytes of every FOLDER/*/*.json, in the order of their names.
# cmake -DFOLDER=src/xdm/global -DOUT=xdm_global.c -P tools/embed.cmake
file(GLOB documents RELATIVE ${FOLDER} ${FOLDER}/*/*.json)
list(SORT documents)
set(arrays "")
set(table "")
set(count 0)
foreach(document ${documents})
    file(READ ${FOLDER}/${document} hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND arrays "static const unsigned char document_${count}[] = {\n${hex}\n};\n")
    string(APPEND table "    {\"${document}\", document_${count}, sizeof document_${count}},\n")
    math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUT} "/* Made from src/xdm/global by tools/embed.cmake. */
#include \"xdm/registry_int.h\"

${arrays}
const mu_xdm_embedded mu_xdm_global_documents[] = {
${table}};
const size_t mu_xdm_global_documents_count = ${count};
")
