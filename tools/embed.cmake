# embed.cmake: writes a C file with the bytes of every FOLDER/PATTERN, in the order of their names.
# cmake -DFOLDER=src/xdm/global -DPATTERN=*/*.json -DHEADER=xdm/registry_int.h -DTYPE=mu_xdm_embedded
#       -DNAME=mu_xdm_global_documents -DOUT=xdm_global.c -P tools/embed.cmake
# HEADER declares TYPE, a struct of name, bytes and their number, and the array NAME and NAME_count.
file(GLOB documents RELATIVE ${FOLDER} ${FOLDER}/${PATTERN})
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
file(WRITE ${OUT} "/* Made from the files of a folder by tools/embed.cmake. */
#include \"${HEADER}\"

${arrays}
const ${TYPE} ${NAME}[] = {
${table}};
const size_t ${NAME}_count = ${count};
")
